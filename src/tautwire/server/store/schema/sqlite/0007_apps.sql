-- An app owns a bot and tokens. A token says what it stands for, what it permits, and until when.

CREATE TABLE app (
    id                 TEXT PRIMARY KEY,
    name               TEXT NOT NULL,
    bot_user           TEXT UNIQUE REFERENCES users (id),  -- null without a bot
    client_id          TEXT UNIQUE,                        -- null until the app gets its secrets
    client_secret_hash BLOB,                               -- SHA-256
    signing_secret     TEXT,                               -- readable: what is sent to the app is signed with it
    created            INTEGER NOT NULL,
    deleted            INTEGER                             -- when; null while there is the app
);

INSERT INTO app (id, name, bot_user, created)
    SELECT app_id, name, id, created FROM users WHERE app_id IS NOT NULL AND id <> 'USLACKBOT';

CREATE TABLE new_token (
    hash    BLOB PRIMARY KEY,             -- SHA-256; the token itself is never stored here
    id      TEXT NOT NULL UNIQUE,         -- the first digits of the hash: names the token for people
    kind    TEXT NOT NULL,                -- 'user', 'bot' or 'app'
    user_id TEXT REFERENCES users (id),   -- null for kind 'app'
    app_id  TEXT REFERENCES app (id),     -- null for a token of a person that no app got
    scopes  TEXT NOT NULL,                -- with commas
    origin  TEXT NOT NULL,                -- 'sample' (no one chose it), 'seed' or 'issued'
    created INTEGER NOT NULL,
    expires INTEGER,                      -- null: never
    revoked INTEGER                       -- when; null: never
) WITHOUT ROWID;

INSERT INTO new_token (hash, id, kind, user_id, app_id, scopes, origin, created)
    SELECT t.hash, lower(substr(hex(t.hash), 1, 16)), CASE WHEN u.bot_id IS NULL THEN 'user' ELSE 'bot' END, t.user_id,
        a.id, 'identify,bot:basic', t.origin, t.created
    FROM token t JOIN users u ON u.id = t.user_id LEFT JOIN app a ON a.id = u.app_id;

DROP TABLE token;
ALTER TABLE new_token RENAME TO token;
CREATE INDEX token_by_app ON token (app_id);
CREATE INDEX token_by_user ON token (user_id);
