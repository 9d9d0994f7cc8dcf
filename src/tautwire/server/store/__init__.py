"""The data on disk: the data directory, its schema, and reads. No rules, no events.

``database`` opens the directory · ``reader`` reads in threads · ``lookup`` reads on the loop · ``records`` rows with
names and their queries. Only ``log.writer`` writes.
"""
