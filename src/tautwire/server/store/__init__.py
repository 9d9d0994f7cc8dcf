"""What the server keeps on disk: the schema, and opening a data directory. No rules, no events."""
