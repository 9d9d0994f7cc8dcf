"""The user's handlers: which of them an event is for, how each is run, and the queue before it."""
