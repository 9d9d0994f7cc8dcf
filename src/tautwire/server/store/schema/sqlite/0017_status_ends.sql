-- When statuses end.

CREATE TABLE status_end (
    user_id TEXT PRIMARY KEY,
    due     INTEGER NOT NULL               -- seconds
) WITHOUT ROWID;
CREATE INDEX status_end_by_due ON status_end (due, user_id);

INSERT INTO status_end (user_id, due)
SELECT id, due FROM (
    SELECT id, CASE WHEN profile <> '' THEN json_extract(profile, '$.status_expiration') END AS due FROM users
) AS status WHERE due > 0;
