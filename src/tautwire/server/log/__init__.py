"""The truth in order: every durable change of the workspace becomes entries with growing positions.

``entry`` what an entry is · ``writer`` the one thread that commits · ``tail`` the newest entries in memory and the
older ones from disk, and who may see them · ``retention`` which of those stay.
"""
