-- Where an app gets its events over HTTP, and whether it may.

ALTER TABLE app ADD COLUMN request_url TEXT;                               -- null: not over HTTP
ALTER TABLE app ADD COLUMN request_state TEXT NOT NULL DEFAULT 'unverified';  -- 'unverified', 'verified' or 'disabled'
