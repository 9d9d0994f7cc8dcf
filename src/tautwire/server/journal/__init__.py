"""The journal: what went over the wire of one workspace, in memory, for tests and people who look.

It is kept only while the control API is on. ``journal`` the ring and its readers · ``entry`` one entry, and its line of
JSON · ``masking`` removes secrets · ``filter`` chooses entries. No door and no rule is known here.
"""
