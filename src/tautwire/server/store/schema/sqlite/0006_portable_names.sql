-- Names that every database has: PostgreSQL answers SELECT user with the name of its role. And a column for each kind of
-- value: the ts of a message that the log refers to is text, a payload is bytes.

ALTER TABLE user RENAME TO users;
ALTER TABLE token RENAME COLUMN user TO user_id;
ALTER TABLE membership RENAME COLUMN user TO user_id;
ALTER TABLE message RENAME COLUMN user TO user_id;
ALTER TABLE reaction RENAME COLUMN user TO user_id;
ALTER TABLE log ADD COLUMN message_ts TEXT;    -- of the message that the entry refers to; its payload is then empty
UPDATE log SET message_ts = payload, payload = x'' WHERE kind = 'message';
