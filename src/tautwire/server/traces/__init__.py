"""OpenTelemetry traces of a message's way: door, commit, last socket.

``opening`` decides whether there are traces; without them nothing else here is imported · ``tracing`` the tracer and
the traced parts · ``spans`` what all spans share · ``provider`` the SDK as OTEL_* variables set it up · ``web_api``,
``backend``, ``writer``, ``hub`` and ``tap`` the traced kinds of these parts · ``recent`` contexts for the taps.

A server without traces is built of the plain parts, so their hot paths have no check for it.
"""
