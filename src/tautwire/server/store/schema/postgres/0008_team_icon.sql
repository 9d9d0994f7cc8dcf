-- The picture of a workspace: a URL, empty for the default picture.

ALTER TABLE workspace ADD COLUMN icon TEXT NOT NULL DEFAULT '';
