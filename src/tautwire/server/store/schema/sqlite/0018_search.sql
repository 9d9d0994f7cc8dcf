-- The search: the words of each message, and an index of them.

CREATE TABLE search_entry (
    id      INTEGER PRIMARY KEY,
    ts      TEXT NOT NULL,
    channel TEXT NOT NULL,
    words   TEXT NOT NULL              -- of the text, then marks of the message; see services.search.words
);
CREATE UNIQUE INDEX search_entry_by_ts ON search_entry (ts, channel);

-- Words are separated and folded before they come here, so ASCII suffices. Phrases are looked for in the entries: the
-- index knows which entries have a word, not where.
CREATE VIRTUAL TABLE search_index USING fts5 (
    words, content = 'search_entry', content_rowid = 'id', tokenize = 'ascii', detail = 'none', columnsize = 0
);
CREATE TRIGGER search_entry_added AFTER INSERT ON search_entry BEGIN
    INSERT INTO search_index (rowid, words) VALUES (new.id, new.words);
END;
CREATE TRIGGER search_entry_deleted AFTER DELETE ON search_entry BEGIN
    INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.id, old.words);
END;
CREATE VIEW search_found AS SELECT rowid AS id, search_index AS query FROM search_index;

-- One row: how far messages are entered.
CREATE TABLE search_fill (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,         -- of the log: the messages of the entries up to it are entered
    channel  TEXT,                     -- with ts: the last older message that was looked at; null if all are entered
    ts       TEXT
);
-- A new database has no older messages. A restore sets the row back (store.backup).
INSERT INTO search_fill (id, position, channel, ts)
SELECT 1, coalesce(max(head), 0), CASE WHEN count(*) > 0 THEN '' END, CASE WHEN count(*) > 0 THEN '' END FROM workspace;
