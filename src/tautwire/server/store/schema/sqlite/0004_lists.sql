-- Lists come in pages by id: the channels of a kind. The replies of a thread are counted for each user without a look at
-- their rows.

CREATE INDEX channel_by_kind ON channel (kind, id);
CREATE INDEX reply_by_user ON message (channel, thread_ts, user, ts) WHERE thread_ts IS NOT NULL;
