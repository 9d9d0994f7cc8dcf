-- One database holds one workspace. Times are seconds since 1970 unless a name ends in _ts (wire timestamps).

CREATE TABLE workspace (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    domain  TEXT NOT NULL,
    created INTEGER NOT NULL,
    head    INTEGER NOT NULL DEFAULT 0   -- position of the newest log entry
);

CREATE TABLE user (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    real_name TEXT NOT NULL DEFAULT '',
    email     TEXT,
    deleted   INTEGER NOT NULL DEFAULT 0,
    away      INTEGER NOT NULL DEFAULT 0, -- set away by hand
    created   INTEGER NOT NULL,
    updated   INTEGER NOT NULL,
    bot_id    TEXT UNIQUE,                -- null for people
    app_id    TEXT
);

CREATE TABLE token (
    hash    BLOB PRIMARY KEY,             -- SHA-256; the token itself is never stored here
    user    TEXT NOT NULL REFERENCES user (id),
    origin  TEXT NOT NULL,                -- 'sample' (nobody chose it), 'seed' or 'issued'
    created INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE channel (
    id            TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,          -- 'public', 'private', 'im' or 'mpim'
    name          TEXT UNIQUE,            -- null for im
    creator       TEXT NOT NULL,
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL,       -- microseconds
    archived      INTEGER NOT NULL DEFAULT 0,
    general       INTEGER NOT NULL DEFAULT 0,
    topic         TEXT NOT NULL DEFAULT '',
    topic_by      TEXT NOT NULL DEFAULT '',
    topic_set     INTEGER NOT NULL DEFAULT 0,
    purpose       TEXT NOT NULL DEFAULT '',
    purpose_by    TEXT NOT NULL DEFAULT '',
    purpose_set   INTEGER NOT NULL DEFAULT 0,
    people        TEXT UNIQUE             -- im and mpim: the sorted user ids, so that there is one for each group
);

CREATE TABLE membership (
    channel TEXT NOT NULL REFERENCES channel (id),
    user    TEXT NOT NULL REFERENCES user (id),
    joined  INTEGER NOT NULL,             -- microseconds
    last_read_ts TEXT NOT NULL DEFAULT '0000000000.000000',
    open    INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (channel, user)
) WITHOUT ROWID;
CREATE INDEX membership_by_user ON membership (user, channel);

-- Rows are only appended and found again by (channel, ts). hidden rows used up a ts without being a message.
CREATE TABLE message (
    channel     TEXT NOT NULL,
    ts          TEXT NOT NULL,
    user        TEXT NOT NULL,
    thread_ts   TEXT,                     -- of a reply: its parent
    in_channel  INTEGER NOT NULL,         -- 0: only in its thread
    body        BLOB NOT NULL             -- JSON of the message object
);
CREATE UNIQUE INDEX message_by_ts ON message (channel, ts);
CREATE INDEX reply_by_parent ON message (channel, thread_ts, ts) WHERE thread_ts IS NOT NULL;

CREATE TABLE reaction (
    channel TEXT NOT NULL,
    ts      TEXT NOT NULL,
    name    TEXT NOT NULL,
    user    TEXT NOT NULL,
    created INTEGER NOT NULL,             -- microseconds: the order of the users of a reaction
    PRIMARY KEY (channel, ts, name, user)
) WITHOUT ROWID;

-- Highest ts of each channel, hidden ones included: a restart must not use one again.
CREATE TABLE channel_clock (
    channel TEXT PRIMARY KEY,
    last_ts TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE log (
    position INTEGER PRIMARY KEY,         -- commit order
    kind     TEXT NOT NULL,               -- 'event', 'join' or 'leave'
    topic    TEXT NOT NULL,               -- '*', a channel or a user
    payload  BLOB NOT NULL                -- event: its JSON; join and leave: the user
);
