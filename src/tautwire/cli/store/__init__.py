"""Commands on the database of a workspace, whether a server runs or not: backup, restore, db."""
