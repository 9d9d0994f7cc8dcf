-- Entries of the log have no time of their own. A mark tells that everything up to its position was there at its time;
-- one an hour is enough to know which entries are older than what is kept.

CREATE TABLE log_mark (
    position INTEGER PRIMARY KEY,         -- head of the log at that time
    time     INTEGER NOT NULL             -- seconds
);
