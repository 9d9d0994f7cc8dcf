"""A frame's way out: a connection, its turn, its number, its reply, and what becomes of it when the connection ends."""
