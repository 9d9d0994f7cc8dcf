"""The live connections of this node: who listens to what, and one event to many sockets.

``frames`` WebSocket framing of what we send · ``hub`` topics, fan-out and the flush at the end of a tick.
"""
