-- Each start of the server begins an epoch of the log. A position names the epoch in which it was given: a log that was
-- cut back (a backup that was restored, commits that a power loss took) does not know the epochs that came after the cut.

CREATE TABLE epoch (
    number INTEGER PRIMARY KEY,           -- in the order of the starts
    id     TEXT NOT NULL UNIQUE,          -- random
    start  INTEGER NOT NULL               -- head of the log when it began
);
