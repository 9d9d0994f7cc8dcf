"""Which door gets an upgraded socket: the first segment of the path decides.

The HTTP room reads the upgrade request (``http.websocket``) and asks here for the connection. A door is given its
prefix by the composition root and never sees it: a further door is one more entry of ``Handover``.
"""

from collections.abc import Callable, Mapping

from picows import WSListener, WSUpgradeRequest

from tautwire.server.sockets.connection import SocketConnection

Opener = Callable[[str, str], WSListener | None]
"""A door: gets the path behind its prefix and the query, returns the connection, or None to answer 404."""


class Handover:
    """Routes the paths of WebSocket upgrades to doors.

    Args:
        doors: by prefix of the path, which begins and ends with a slash; a secret of one segment follows it.
    """

    def __init__(self, doors: Mapping[str, Opener]) -> None:
        self._doors = dict(doors)
        self.request_starts = tuple(f"GET {prefix}".encode() for prefix in doors)
        """The first bytes of requests that may be an upgrade, for the front."""

    def listen(self, request: WSUpgradeRequest) -> WSListener | None:
        """Return the connection for an upgrade request; None (404) if no door has the path, or its door is closed."""
        path, _, query = bytes(request.path).decode("latin-1").partition("?")
        for prefix, opener in self._doors.items():
            if path.startswith(prefix):
                connection = opener(path.removeprefix(prefix), query)
                if isinstance(connection, SocketConnection):
                    connection.program = request.headers.get("user-agent", "")
                return connection
        return None
