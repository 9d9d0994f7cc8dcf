-- What people can ask apps for, and the URLs by which apps answer without a token.

ALTER TABLE app ADD COLUMN interactive BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE app ADD COLUMN interactivity_url TEXT COLLATE "C";
ALTER TABLE app ADD COLUMN options_url TEXT COLLATE "C";

CREATE TABLE app_command (
    app_id        TEXT COLLATE "C" NOT NULL REFERENCES app (id),
    name          TEXT COLLATE "C" NOT NULL,
    url           TEXT COLLATE "C",
    description   TEXT COLLATE "C" NOT NULL,
    usage_hint    TEXT COLLATE "C" NOT NULL,
    should_escape BOOLEAN NOT NULL,
    added         BIGINT NOT NULL,
    PRIMARY KEY (app_id, name)
);
CREATE INDEX app_command_by_name ON app_command (name, added);

CREATE TABLE app_shortcut (
    app_id      TEXT COLLATE "C" NOT NULL REFERENCES app (id),
    callback_id TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    name        TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app_id, kind, callback_id)
);

CREATE TABLE response_url (
    hash      BYTEA PRIMARY KEY,
    app_id    TEXT COLLATE "C" NOT NULL REFERENCES app (id),
    user_id   TEXT COLLATE "C" NOT NULL,
    channel   TEXT COLLATE "C" NOT NULL,
    source    TEXT COLLATE "C" NOT NULL,
    ts        TEXT COLLATE "C" NOT NULL,
    ephemeral BOOLEAN NOT NULL,
    uses      BIGINT NOT NULL,
    expires   BIGINT NOT NULL
);
CREATE INDEX response_url_by_expires ON response_url (expires);

CREATE TABLE webhook (
    id      TEXT COLLATE "C" PRIMARY KEY,
    hash    BYTEA NOT NULL UNIQUE,
    app_id  TEXT COLLATE "C" NOT NULL REFERENCES app (id),
    channel TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT
);
CREATE INDEX webhook_by_app ON webhook (app_id);
