-- Pinned messages, messages to be posted later, and messages that grow while they are written.

CREATE TABLE pin (
    channel TEXT NOT NULL,
    ts      TEXT NOT NULL,
    user_id TEXT NOT NULL,                 -- who pinned it
    created INTEGER NOT NULL,              -- microseconds
    PRIMARY KEY (channel, ts)
) WITHOUT ROWID;

CREATE TABLE scheduled (
    id      TEXT PRIMARY KEY,
    channel TEXT NOT NULL,
    user_id TEXT NOT NULL,                 -- the author
    due     INTEGER NOT NULL,              -- when it is posted, in seconds
    created INTEGER NOT NULL,              -- seconds
    draft   BLOB NOT NULL                  -- JSON
) WITHOUT ROWID;
CREATE INDEX scheduled_by_due ON scheduled (due, id);
CREATE INDEX scheduled_by_user ON scheduled (user_id, due, id);
CREATE INDEX scheduled_by_channel ON scheduled (channel, due);

CREATE TABLE stream (
    channel TEXT NOT NULL,
    ts      TEXT NOT NULL,                 -- of the message
    touched INTEGER NOT NULL,              -- when it grew last, in seconds
    parts   BLOB NOT NULL,                 -- JSON: what it is made of so far
    PRIMARY KEY (channel, ts)
) WITHOUT ROWID;
CREATE INDEX stream_by_touched ON stream (touched);

CREATE INDEX reaction_by_user ON reaction (user_id, ts, channel);
