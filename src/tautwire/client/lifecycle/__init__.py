"""The life of a client: functions that run at its start, at its end, when it is ready, and every so often."""
