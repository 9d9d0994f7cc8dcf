"""The shell of a server's WebSocket, without rules: what every door with live connections needs, and no grammar.

``connection`` one socket: outbox, pages, slow peers, PING and PONG, fragments, Close · ``keeper`` the connections of a
door: their number, the sweep, the stop · ``flusher`` when queued frames are written · ``frames`` text frames ·
``handover`` which door gets an upgraded socket · ``endings`` why connections end.

A door (``rtm``) makes a subclass of ``SocketConnection`` that knows its messages, and is its ``Host``. The hub is a
``Flusher`` that also routes by topic. Nothing here knows a workspace, a user's rights or an event.
"""
