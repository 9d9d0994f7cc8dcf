-- Files: what is known of each, where it is shared, and its bytes in pieces.

CREATE TABLE file (
    id        TEXT COLLATE "C" PRIMARY KEY,
    user_id   TEXT COLLATE "C" NOT NULL,
    state     TEXT COLLATE "C" NOT NULL,
    due       BIGINT,
    secret    BYTEA,
    size      BIGINT NOT NULL,
    created   BIGINT NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    title     TEXT COLLATE "C" NOT NULL,
    mode      TEXT COLLATE "C" NOT NULL,
    filetype  TEXT COLLATE "C" NOT NULL,
    mimetype  TEXT COLLATE "C" NOT NULL,
    alt_text  TEXT COLLATE "C" NOT NULL,
    facts     BYTEA NOT NULL,
    public    TEXT COLLATE "C"
);
CREATE INDEX file_by_due ON file (due, id);
CREATE INDEX file_by_created ON file (created, id);
CREATE INDEX file_by_user ON file (user_id, created, id);
CREATE INDEX file_by_size ON file (state, size);

CREATE TABLE file_share (
    file_id TEXT COLLATE "C" NOT NULL REFERENCES file (id),
    channel TEXT COLLATE "C" NOT NULL,
    ts      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (file_id, channel, ts)
);
CREATE INDEX file_share_by_message ON file_share (channel, ts);

CREATE TABLE file_chunk (
    file_id TEXT COLLATE "C" NOT NULL REFERENCES file (id),
    number  BIGINT NOT NULL,
    data    BYTEA NOT NULL,
    PRIMARY KEY (file_id, number)
);
-- Bytes of files are mostly compressed already: they are stored as they are.
ALTER TABLE file_chunk ALTER COLUMN data SET STORAGE EXTERNAL;
