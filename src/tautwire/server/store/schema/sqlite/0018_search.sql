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

-- One row while older messages are entered: the last one that was. Without a row, all are.
CREATE TABLE search_fill (
    channel TEXT PRIMARY KEY,
    ts      TEXT NOT NULL
) WITHOUT ROWID;
-- A new database has no older messages; a restore makes the row itself (store.backup).
INSERT INTO search_fill (channel, ts) SELECT '', '' FROM workspace;
