"""Workspaces that are made, used and deleted while the server runs: for tests and for agents.

``sandboxes`` create, list, reset, snapshot, restore, compare and delete them · ``place`` the files of one ·
``snapshots`` the states that are kept of a workspace · ``comparing`` two of them, or two positions of the log ·
``making`` a new database, from a seed.
"""
