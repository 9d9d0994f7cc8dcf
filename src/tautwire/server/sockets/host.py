"""The door of a connection, as the shell of a WebSocket sees it."""

from typing import Any, Protocol

from tautwire.server.clock import Clock
from tautwire.server.counts import Traffic
from tautwire.server.sockets.flusher import Flusher
from tautwire.server.sockets.probe import Probe


class Host(Protocol):
    """The door of a connection, as the connection sees it.

    Attributes:
        flusher: schedules the writes.
        backlog_limit: bytes that may wait for a peer that does not read.
        probe: sees the messages of all connections; None, unless the control API is on.

    The connection is passed as Any: each door gets its own class back.
    """

    clock: Clock
    traffic: Traffic
    backlog_limit: int
    probe: Probe | None

    @property
    def flusher(self) -> Flusher[Any]:
        """Schedules the writes of the door's connections."""

    def opened(self, connection: Any) -> None:
        """Called when the socket is open, before any frame."""

    def ended(self, connection: Any) -> None:
        """Called once when the closing handshake begins or the socket is lost: no more frames may be sent."""

    def closed(self, connection: Any) -> None:
        """Called when the socket is closed."""

    def failed(self, connection: Any, why: str, error: Exception) -> None:
        """Called when code of the server raised: the connection has to end."""
