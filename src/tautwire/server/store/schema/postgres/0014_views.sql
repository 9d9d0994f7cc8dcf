-- Views that people have open: modals in stacks, and the Home of an app for each user. A closed view is deleted.

CREATE TABLE opened_view (
    id          TEXT COLLATE "C" PRIMARY KEY,
    app_id      TEXT COLLATE "C" NOT NULL REFERENCES app (id),
    user_id     TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    kind        TEXT COLLATE "C" NOT NULL,
    root_id     TEXT COLLATE "C" NOT NULL,
    depth       BIGINT NOT NULL,
    previous_id TEXT COLLATE "C",
    external_id TEXT COLLATE "C",
    hash        TEXT COLLATE "C" NOT NULL,
    opened      BIGINT NOT NULL,
    body        BYTEA NOT NULL,
    inputs      BYTEA NOT NULL
);
CREATE UNIQUE INDEX opened_view_by_place ON opened_view (root_id, depth);
CREATE UNIQUE INDEX opened_view_by_external_id ON opened_view (app_id, external_id);
CREATE INDEX opened_view_by_user ON opened_view (user_id, app_id, kind, opened);
