"""The live connections of this node by topic, and the fan-out of one event to many sockets.

``frames`` WebSocket framing · ``hub`` topics, fan-out and the flush at the end of a tick · ``positions`` when a
connection gets a position frame.

The hub knows users, topics and outboxes, and no rules: the membership it routes by comes from the log.
"""
