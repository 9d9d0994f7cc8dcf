-- Lists come in pages by id: the channels of a kind, and the replies of a thread without a look at their rows.

CREATE INDEX channel_by_kind ON channel (kind, id);

DROP INDEX reply_by_parent;
CREATE INDEX reply_by_parent ON message (channel, thread_ts, ts, user) WHERE thread_ts IS NOT NULL;
