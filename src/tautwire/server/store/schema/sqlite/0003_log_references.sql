-- The event of a message is its row of `message` with two members more. The log refers to the row instead of holding the
-- text again: kind 'message', topic the channel, payload its ts. Before the row changes, the log gets the event as it was.

ALTER TABLE message ADD COLUMN position INTEGER;  -- of the log entry that refers to this row; null if none does
