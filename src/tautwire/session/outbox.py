"""The queue of one connection's outgoing frames, between the tick that produced them and the write.

Frames of one tick are joined into one write; a backlog is handed over page by page, so that no peer is given more
than it can read in one go. The connection (``tautwire.server.rtm``) owns the socket; the order is decided here.
"""

from collections import deque


class Outbox:
    """Frames waiting for the next write, oldest first.

    The frames are shared ``bytes``: the same object waits in the outboxes of all connections that get an event.
    """

    __slots__ = ("_frames", "_size")

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def push(self, frame: bytes) -> bool:
        """Put a frame at the end; return True if nothing waited before it."""
        self._frames.append(frame)
        size = self._size
        self._size = size + len(frame)
        return size == 0

    def push_first(self, frame: bytes) -> bool:
        """Put a frame before all others (a pong does not wait behind events); return True if nothing waited."""
        self._frames.appendleft(frame)
        size = self._size
        self._size = size + len(frame)
        return size == 0

    def take(self, limit: int) -> list[bytes]:
        """Remove and return whole frames, oldest first, up to ``limit`` bytes but at least one if any wait."""
        frames = self._frames
        if self._size <= limit:
            taken = list(frames)
            frames.clear()
            self._size = 0
            return taken
        taken = [frames.popleft()]
        size = len(taken[0])
        while frames and size + len(frames[0]) <= limit:
            frame = frames.popleft()
            size += len(frame)
            taken.append(frame)
        self._size -= size
        return taken

    def clear(self) -> None:
        """Forget everything that waits."""
        self._frames.clear()
        self._size = 0
