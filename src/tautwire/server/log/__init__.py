"""The truth in order: every durable change of the workspace becomes entries with growing positions.

``entry`` what an entry is · ``transaction`` a unit's view of the database · ``writer`` the one thread that commits ·
``tail`` the newest entries in memory, older ones from disk, and which of them a user may see · ``catchup`` pages of
missed events · ``epochs`` positions that survive a lost log · ``retention`` deletes old entries.

Everything that delivers events reads the log, and nothing else: a message that is in the log cannot be forgotten, and
one that is not in it was never sent.
"""
