"""The live connections of this node by topic, and the fan-out of one event to many sockets.

``hub`` topics and fan-out · ``positions`` when a connection gets a position frame · ``frames`` the frames of positions
and of replayed entries. The hub is also the flusher (``sockets``) of its connections.

The hub knows users, topics and outboxes, and no rules: the membership it routes by comes from the log.
"""
