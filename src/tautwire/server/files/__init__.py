"""The door of files: the bytes that go to an upload URL, and those that are read from ``url_private``."""
