"""What goes over the wire: ids, timestamps, tokens, text, frames, events, objects, codec, errors.

Nothing here does I/O, owns a clock, draws random numbers or logs. Client and server share every type of it: the server
builds what the client decodes, and the other way round. Everything above (``tautwire.session`` and up) imports from the
modules directly: ``from tautwire.protocol.events import MessageEvent``.
"""
