"""Web API calls of the client's own: bounded answers, repeated calls, name look-ups, and reasons of failures."""
