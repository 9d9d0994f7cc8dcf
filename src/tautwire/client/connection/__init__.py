"""Connections: asking for one, keeping one up, changing from one to the next, and the socket below."""
