"""The queue of one connection's outgoing frames, between the tick that produced them and the write.

Frames of one tick are joined into one write; a backlog is handed over page by page, so that no peer is given more
than it can read in one go. The connection (``tautwire.server.rtm``) owns the socket; the order is decided here.
"""


class Outbox:
    """Frames waiting for the next write, oldest first.

    The frames are shared ``bytes``: the same object waits in the outboxes of all connections that get an event.
    """

    __slots__ = ("_ahead", "_frames", "size")

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._ahead = 0  # how many frames at the front were pushed first
        self.size = 0
        """Bytes that wait."""

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: bytes) -> bool:
        """Put a frame at the end; return True if nothing waited before it."""
        self._frames.append(frame)
        size = self.size
        self.size = size + len(frame)
        return size == 0

    def push_first(self, frame: bytes) -> bool:
        """Put a frame before those that ``push`` put there: a pong does not wait behind events.

        Frames that were pushed first keep their order. Returns True if nothing waited.
        """
        self._frames.insert(self._ahead, frame)
        self._ahead += 1
        size = self.size
        self.size = size + len(frame)
        return size == 0

    def take(self, limit: int) -> list[bytes]:
        """Remove and return whole frames, oldest first, up to ``limit`` bytes but at least one if any wait."""
        frames = self._frames
        if self.size <= limit:
            self.clear()
            return frames
        count, size = 1, len(frames[0])
        while count < len(frames) and size + len(frames[count]) <= limit:
            size += len(frames[count])
            count += 1
        taken = frames[:count]
        del frames[:count]
        self.size -= size
        self._ahead = max(0, self._ahead - count)
        return taken

    def clear(self) -> None:
        """Forget everything that waits."""
        self._frames = []
        self._ahead = 0
        self.size = 0
