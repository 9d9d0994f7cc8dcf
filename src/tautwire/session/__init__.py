"""Sans-I/O state machines of one connection: the client's, the server's, and the small parts they share.

Nothing here opens a socket, reads a clock or draws a random number: time comes in as an argument, frames come in and
go out as bytes. The shells in ``tautwire.client`` and ``tautwire.server.rtm`` own the sockets and hold no rules.
"""
