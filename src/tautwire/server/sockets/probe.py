"""What may look at the messages of a door's connections, and change what becomes of them."""

from typing import Any, Protocol


class Probe(Protocol):
    """Sees all messages of the connections of one door; ``control`` has the one there is.

    A connection is passed as Any: it is of the door's own class.
    """

    def opened(self, connection: Any) -> None:
        """Called when a socket is open, before the door gets the connection."""

    def received(self, connection: Any, payload: bytes) -> bool:
        """Called with each message of the peer; returns whether the door gets it."""

    def sending(self, connection: Any, frames: list[bytes]) -> list[bytes]:
        """Called with the frames that are to be written now; returns those that are written."""

    def ended(self, connection: Any) -> None:
        """Called when the connection is about to leave the door."""
