-- What people can ask apps for, and the URLs by which apps answer without a token.

ALTER TABLE app ADD COLUMN interactive INTEGER NOT NULL DEFAULT FALSE;
ALTER TABLE app ADD COLUMN interactivity_url TEXT;                         -- null: only over Socket Mode
ALTER TABLE app ADD COLUMN options_url TEXT;                               -- null: that of the other interactions

CREATE TABLE app_command (
    app_id        TEXT NOT NULL REFERENCES app (id),
    name          TEXT NOT NULL,             -- with the slash
    url           TEXT,                      -- null: only over Socket Mode
    description   TEXT NOT NULL,
    usage_hint    TEXT NOT NULL,
    should_escape INTEGER NOT NULL,
    added         INTEGER NOT NULL,          -- in microseconds: of two apps with one name the last one has it
    PRIMARY KEY (app_id, name)
);
CREATE INDEX app_command_by_name ON app_command (name, added);

CREATE TABLE app_shortcut (
    app_id      TEXT NOT NULL REFERENCES app (id),
    callback_id TEXT NOT NULL,
    kind        TEXT NOT NULL,               -- 'global' or 'message'
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (app_id, kind, callback_id)
);

CREATE TABLE response_url (
    hash      BLOB PRIMARY KEY,              -- of the secret in the URL
    app_id    TEXT NOT NULL REFERENCES app (id),
    user_id   TEXT NOT NULL,                 -- who acted
    channel   TEXT NOT NULL,
    source    TEXT NOT NULL,                 -- 'command', 'action', 'shortcut', 'legacy' or 'view'
    ts        TEXT NOT NULL,                 -- of the message in which the person acted; empty without one
    ephemeral INTEGER NOT NULL,              -- whether only the person sees that message
    uses      INTEGER NOT NULL,
    expires   INTEGER NOT NULL               -- in seconds
);
CREATE INDEX response_url_by_expires ON response_url (expires);

CREATE TABLE webhook (
    id      TEXT PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE,            -- of the secret in the URL
    app_id  TEXT NOT NULL REFERENCES app (id),
    channel TEXT NOT NULL,
    user_id TEXT NOT NULL,                   -- who has allowed it; empty for the operator
    created INTEGER NOT NULL,                -- in seconds
    revoked INTEGER                          -- in seconds
);
CREATE INDEX webhook_by_app ON webhook (app_id);
