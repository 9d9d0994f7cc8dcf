-- Files: what is known of each, where it is shared, and its bytes in pieces.

CREATE TABLE file (
    id        TEXT PRIMARY KEY,
    user_id   TEXT NOT NULL,            -- who uploads it
    state     TEXT NOT NULL,            -- see store.queries.files.State
    due       INTEGER,                  -- when it is cleared away, in seconds; NULL if it stays
    secret    BLOB,                     -- the hash of the secret in its upload URL, until that is used
    size      INTEGER NOT NULL,         -- bytes: as announced, then as stored
    created   INTEGER NOT NULL,         -- seconds
    name      TEXT NOT NULL,
    title     TEXT NOT NULL,
    mode      TEXT NOT NULL,            -- 'hosted' or 'snippet'
    filetype  TEXT NOT NULL,
    mimetype  TEXT NOT NULL,
    alt_text  TEXT NOT NULL,
    facts     BLOB NOT NULL,            -- JSON: what was found in the bytes
    public    TEXT                      -- the secret in its public URL; NULL without one
) WITHOUT ROWID;
CREATE INDEX file_by_due ON file (due, id);
CREATE INDEX file_by_created ON file (created, id);
CREATE INDEX file_by_user ON file (user_id, created, id);
CREATE INDEX file_by_size ON file (state, size);

CREATE TABLE file_share (
    file_id TEXT NOT NULL REFERENCES file (id),
    channel TEXT NOT NULL,
    ts      TEXT NOT NULL,              -- of the message that shares it
    PRIMARY KEY (file_id, channel, ts)
) WITHOUT ROWID;
CREATE INDEX file_share_by_message ON file_share (channel, ts);

-- With a rowid: its rows are large, and would fill the tree of a table without one.
CREATE TABLE file_chunk (
    file_id TEXT NOT NULL REFERENCES file (id),
    number  INTEGER NOT NULL,           -- from 0
    data    BLOB NOT NULL,
    PRIMARY KEY (file_id, number)
);
