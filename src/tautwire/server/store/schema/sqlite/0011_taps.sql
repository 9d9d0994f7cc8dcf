-- What apps get: the events they subscribed to, whether over Socket Mode, and how far each is done with the log.

ALTER TABLE app ADD COLUMN socket_mode INTEGER NOT NULL DEFAULT FALSE;

CREATE TABLE app_event (
    app_id TEXT NOT NULL REFERENCES app (id),
    kind   TEXT NOT NULL,               -- 'bot': what the bot may see; 'user': what a person who authorised the app may see
    event  TEXT NOT NULL,               -- its name in a manifest, such as 'message.channels'
    PRIMARY KEY (app_id, kind, event)
);

CREATE TABLE tap (
    app_id  TEXT PRIMARY KEY REFERENCES app (id),
    settled INTEGER NOT NULL,           -- every entry of the log up to here is done
    ahead   BLOB NOT NULL               -- which later ones are done too: a hint, empty if that is unknown
);
