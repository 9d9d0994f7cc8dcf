-- What apps get: the events they subscribed to, whether over Socket Mode, and how far each is done with the log.

ALTER TABLE app ADD COLUMN socket_mode BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE app_event (
    app_id TEXT COLLATE "C" NOT NULL REFERENCES app (id),
    kind   TEXT COLLATE "C" NOT NULL,
    event  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (app_id, kind, event)
);

CREATE TABLE tap (
    app_id  TEXT COLLATE "C" PRIMARY KEY REFERENCES app (id),
    settled BIGINT NOT NULL,
    ahead   BYTEA NOT NULL
);
