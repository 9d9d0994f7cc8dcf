-- An app owns a bot and tokens. A token says what it stands for, what it permits, and until when.

CREATE TABLE app (
    id                 TEXT COLLATE "C" PRIMARY KEY,
    name               TEXT COLLATE "C" NOT NULL,
    bot_user           TEXT COLLATE "C" UNIQUE REFERENCES users (id),
    client_id          TEXT COLLATE "C" UNIQUE,
    client_secret_hash BYTEA,
    signing_secret     TEXT,
    created            BIGINT NOT NULL,
    deleted            BIGINT
);

INSERT INTO app (id, name, bot_user, created)
    SELECT app_id, name, id, created FROM users WHERE app_id IS NOT NULL AND id <> 'USLACKBOT';

CREATE TABLE new_token (
    hash    BYTEA PRIMARY KEY,
    id      TEXT COLLATE "C" NOT NULL UNIQUE,
    kind    TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" REFERENCES users (id),
    app_id  TEXT COLLATE "C" REFERENCES app (id),
    scopes  TEXT NOT NULL,
    origin  TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT
);

INSERT INTO new_token (hash, id, kind, user_id, app_id, scopes, origin, created)
    SELECT t.hash, substr(encode(t.hash, 'hex'), 1, 16), CASE WHEN u.bot_id IS NULL THEN 'user' ELSE 'bot' END, t.user_id,
        a.id, 'identify,bot:basic', t.origin, t.created
    FROM token t JOIN users u ON u.id = t.user_id LEFT JOIN app a ON a.id = u.app_id;

DROP TABLE token;
ALTER TABLE new_token RENAME TO token;
CREATE INDEX token_by_app ON token (app_id);
CREATE INDEX token_by_user ON token (user_id);
