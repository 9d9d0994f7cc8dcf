"""The frames that the hub sends besides events: positions, and the shared frames of entries that are replayed."""

from typing import Final

from tautwire.server.log.entry import Entry
from tautwire.server.sockets.frames import text_frame

MAX_SHARED: Final = 8 * 1024 * 1024
"""Bytes of frames that are kept for connections that catch up."""


def position_frame(position: str) -> bytes:
    """Return the frame with a position of the log. Our own extension, sent only to clients that ask for it."""
    return text_frame(b'{"type":"position","position":"%b"}' % position.encode())


class SharedFrames:
    """The frames of the entries replayed last: many connections that return at once share the same bytes."""

    def __init__(self) -> None:
        self._frames: dict[int, bytes] = {}  # by position, in the order in which they were made
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of the frames."""
        return self._size

    def of(self, entry: Entry) -> bytes:
        """Return the frame of an entry."""
        frame = self._frames.get(entry.position)
        if frame is None:
            frame = self._frames[entry.position] = text_frame(entry.payload)
            self._size += len(frame)
            while self._size > MAX_SHARED:
                self._size -= len(self._frames.pop(next(iter(self._frames))))
        return frame
