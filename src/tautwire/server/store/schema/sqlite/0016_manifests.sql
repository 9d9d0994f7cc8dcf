-- How an app was described and by whom, and what people consented to while the app has not fetched its tokens.

ALTER TABLE app ADD COLUMN manifest TEXT;                      -- JSON; null without one
ALTER TABLE app ADD COLUMN owner TEXT REFERENCES users (id);   -- who made it with a configuration token; null: the operator

CREATE TABLE consent (
    hash         BLOB PRIMARY KEY,                        -- SHA-256 of the code, which works once
    app_id       TEXT NOT NULL REFERENCES app (id),
    user_id      TEXT NOT NULL REFERENCES users (id),     -- who consented
    scopes       TEXT NOT NULL,                           -- of the bot, with commas; empty: no token for it
    user_scopes  TEXT NOT NULL,                           -- of the person
    redirect_uri TEXT NOT NULL,                           -- as it was asked for; empty without one
    expires      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX consent_by_expiry ON consent (expires);
CREATE INDEX token_by_end ON token (coalesce(revoked, expires));
