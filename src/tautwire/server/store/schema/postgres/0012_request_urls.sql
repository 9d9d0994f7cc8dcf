-- Where an app gets its events over HTTP, and whether it may.

ALTER TABLE app ADD COLUMN request_url TEXT COLLATE "C";
ALTER TABLE app ADD COLUMN request_state TEXT COLLATE "C" NOT NULL DEFAULT 'unverified';
