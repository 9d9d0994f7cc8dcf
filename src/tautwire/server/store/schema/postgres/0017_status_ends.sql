-- When statuses end.

CREATE TABLE status_end (
    user_id TEXT COLLATE "C" PRIMARY KEY,
    due     BIGINT NOT NULL
);
CREATE INDEX status_end_by_due ON status_end (due, user_id);

INSERT INTO status_end (user_id, due)
SELECT id, due FROM (
    SELECT id, CASE WHEN profile <> '' THEN (profile::json->>'status_expiration')::bigint END AS due FROM users
) AS status WHERE due > 0;
