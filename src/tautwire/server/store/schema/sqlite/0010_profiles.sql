-- What a user has written about themselves, and the index by which an address finds its user.

ALTER TABLE users ADD COLUMN profile TEXT NOT NULL DEFAULT ''; -- JSON; empty until the user sets something
CREATE INDEX users_by_email ON users (lower(email));
