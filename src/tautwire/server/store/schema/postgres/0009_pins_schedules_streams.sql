-- Pinned messages, messages to be posted later, and messages that grow while they are written.

CREATE TABLE pin (
    channel TEXT COLLATE "C" NOT NULL,
    ts      TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (channel, ts)
);

CREATE TABLE scheduled (
    id      TEXT COLLATE "C" PRIMARY KEY,
    channel TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    due     BIGINT NOT NULL,
    created BIGINT NOT NULL,
    draft   BYTEA NOT NULL
);
CREATE INDEX scheduled_by_due ON scheduled (due, id);
CREATE INDEX scheduled_by_user ON scheduled (user_id, due, id);
CREATE INDEX scheduled_by_channel ON scheduled (channel, due);

CREATE TABLE stream (
    channel TEXT COLLATE "C" NOT NULL,
    ts      TEXT COLLATE "C" NOT NULL,
    touched BIGINT NOT NULL,
    parts   BYTEA NOT NULL,
    PRIMARY KEY (channel, ts)
);
CREATE INDEX stream_by_touched ON stream (touched);

CREATE INDEX reaction_by_user ON reaction (user_id, ts, channel);
