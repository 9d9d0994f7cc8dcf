"""The Socket Mode connections of one app: each of its events goes to one of them, in turn.

Source: wire/socket-mode.md#opening (documented: any one of at most ten).
"""

from typing import Final

from tautwire.server.socket_mode.connection import LinkConnection
from tautwire.server.sockets.flusher import Flusher
from tautwire.server.sockets.frames import text_frame
from tautwire.server.taps.envelope import Envelope, socket_mode_frame
from tautwire.server.taps.tap import Tap

MAX_CONNECTIONS: Final = 10
"""Connections of an app. Source: wire/socket-mode.md#opening (documented)."""
MAX_QUEUED: Final = 262_144
"""Bytes that wait for a connection, beyond which it gets no event."""


class Pool:
    """The connections of an app; the ``Link`` of its tap."""

    reports = False

    def __init__(self, tap: Tap, flusher: Flusher[LinkConnection]) -> None:
        self.tap = tap
        self._flusher = flusher
        self._all: dict[int, LinkConnection] = {}
        self._serving: list[LinkConnection] = []  # the next one first
        self._ready: LinkConnection | None = None  # the next one that has room, as it was found last

    def __len__(self) -> int:
        return len(self._all)

    @property
    def connections(self) -> list[LinkConnection]:
        """All connections, those that are about to end included."""
        return [*self._all.values()]

    @property
    def has_room(self) -> bool:
        """Whether a connection reads as fast as it is written to."""
        self._ready = self._find()
        return self._ready is not None

    def add(self, connection: LinkConnection) -> None:
        """Send events to a connection."""
        self._all[connection.number] = connection
        self._serving.insert(0, connection)

    def retire(self, connection: LinkConnection) -> None:
        """Send no more events to a connection; its acknowledgements count."""
        if connection in self._serving:
            self._serving.remove(connection)
        self._ready = None

    def remove(self, connection: LinkConnection) -> None:
        """Forget a connection that has ended."""
        self.retire(connection)
        self._all.pop(connection.number, None)

    def notify(self, body: bytes) -> None:
        """Send nothing: clients of Socket Mode take ``app_rate_limited`` for an event without a type, and may fail."""

    def send(self, envelope: Envelope, attempt: int, reason: str, *, is_fresh: bool) -> int:
        """Send an event on the connection that it is meant for, else on that which had none for the longest time."""
        connection = self._all.get(envelope.connection)
        if connection is None or connection not in self._serving:
            connection = self._ready or self._find() or self._serving[0]
        self._send(connection, socket_mode_frame(envelope, attempt, reason))
        return connection.number

    def ask(self, frame: bytes) -> bool:
        """Send a request on a connection that reads as fast as it is written to; return False if there is none."""
        connection = self._find()
        if connection is None:
            return False
        self._send(connection, frame)
        return True

    def _send(self, connection: LinkConnection, payload: bytes) -> None:
        self._ready = None
        if len(self._serving) > 1:
            self._serving.remove(connection)
            self._serving.append(connection)
        self._flusher.push(connection, text_frame(payload))

    def _find(self) -> LinkConnection | None:
        """Return the next connection that reads as fast as it is written to."""
        for connection in self._serving:
            if connection.slow_since is None and connection.queued_bytes < MAX_QUEUED:
                return connection
        return None
