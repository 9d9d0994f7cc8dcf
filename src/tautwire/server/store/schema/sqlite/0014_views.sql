-- Views that people have open: modals in stacks, and the Home of an app for each user. A closed view is deleted.

CREATE TABLE opened_view (
    id          TEXT PRIMARY KEY,
    app_id      TEXT NOT NULL REFERENCES app (id),
    user_id     TEXT NOT NULL REFERENCES users (id),
    kind        TEXT NOT NULL,               -- 'modal' or 'home'
    root_id     TEXT NOT NULL,               -- the lowest view of its stack
    depth       INTEGER NOT NULL,            -- its place in the stack, from 1
    previous_id TEXT,                        -- the view below it
    external_id TEXT,                        -- null: the app gave none
    hash        TEXT NOT NULL,               -- new at every update
    opened      INTEGER NOT NULL,            -- microseconds
    body        BLOB NOT NULL,               -- what the app gave, as JSON
    inputs      BLOB NOT NULL                -- what the person has put in, as JSON
);
CREATE UNIQUE INDEX opened_view_by_place ON opened_view (root_id, depth);
CREATE UNIQUE INDEX opened_view_by_external_id ON opened_view (app_id, external_id);
CREATE INDEX opened_view_by_user ON opened_view (user_id, app_id, kind, opened);
