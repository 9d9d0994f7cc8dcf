"""The local view: users, conversations and members, kept current by events."""
