-- How an app was described and by whom, and what people consented to while the app has not fetched its tokens.

ALTER TABLE app ADD COLUMN manifest TEXT;
ALTER TABLE app ADD COLUMN owner TEXT COLLATE "C" REFERENCES users (id);

CREATE TABLE consent (
    hash         BYTEA PRIMARY KEY,
    app_id       TEXT COLLATE "C" NOT NULL REFERENCES app (id),
    user_id      TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    scopes       TEXT NOT NULL,
    user_scopes  TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    expires      BIGINT NOT NULL
);

CREATE INDEX consent_by_expiry ON consent (expires);
CREATE INDEX token_by_end ON token ((coalesce(revoked, expires)));
