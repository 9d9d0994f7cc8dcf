"""The queue of one connection's outgoing frames, between the tick that produced them and the write.

Frames of one tick are joined into one write; a backlog is handed over page by page, so that no peer is given more
than it can read in one go. The connection (``tautwire.server.sockets``) owns the socket; the order is decided here.
"""

from itertools import accumulate


class Outbox(list[bytes]):
    """Frames waiting for the next write, oldest first: a list, because the fan-out appends for every delivery.

    The frames are shared ``bytes``: the same object waits in the outboxes of all connections that get an event.
    """

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0  # how many frames at the front were put there by ``insert_first``

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return sum(map(len, self))

    def insert_first(self, frame: bytes) -> None:
        """Put a frame before those that were appended: a pong does not wait behind events.

        Frames that were inserted first keep their order.
        """
        self.insert(self._ahead, frame)
        self._ahead += 1

    def take_all(self) -> bytes:
        """Remove everything and return it in one piece; if it is one frame, the frame itself and no copy."""
        self._ahead = 0
        if len(self) == 1:  # nearly always
            return self.pop()
        data = b"".join(self)
        del self[:]
        return data

    def take(self, limit: int) -> list[bytes]:
        """Remove and return whole frames, oldest first, up to ``limit`` bytes but at least one if any wait."""
        count = max(1, sum(end <= limit for end in accumulate(map(len, self))))
        taken = self[:count]
        del self[:count]
        self._ahead = max(0, self._ahead - count)
        return taken

    def clear(self) -> None:
        """Forget everything that waits."""
        del self[:]
        self._ahead = 0
