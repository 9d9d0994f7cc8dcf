"""The blocking client, and the event loop in a thread that it runs on."""
