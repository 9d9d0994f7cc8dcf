"""The door for URLs that need no token: apps answer at response URLs, and programs post at incoming webhooks."""
