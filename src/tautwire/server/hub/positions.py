"""When a connection that can resume gets a position frame.

Theory. A position frame means: every event up to this place of the log was sent on this connection. It is always queued
behind the events it covers, so a client that resumes from it misses nothing. Events after it are sent again on resume,
and the client drops the copies. So a position may lag behind the events, which is what makes positions cheap. A
connection gets one

- with the events of a flush, if it got none since the last sweep: no write of its own, and not one for each flush;
- at the sweep, if it got events since its last position;
- at the sweep, every ``QUIET_ROUNDS``, if it got no event but others did. Its place advances all the same, or a quiet
  client would have to resume from too far back. A shorter interval would show strangers how busy private channels are;
- before the server closes it.

Figures, and the alternatives that were rejected: docs/adr/0009-positions.md.
"""

from typing import Final

from tautwire.server.hub.frames import position_frame
from tautwire.server.log.epochs import Epochs

QUIET_ROUNDS: Final = 5
"""Sweeps, one a second, between two positions of a connection that gets no events."""

MAX_UNCONFIRMED: Final = 256
"""Events after which a connection gets a position in any case. A client has to remember the events since its last
position to recognise copies; tautwire's own remembers 10,000 events or 8 MiB."""


class Progress:
    """The position that the peer of one connection knows."""

    __slots__ = ("position", "round", "unconfirmed")

    def __init__(self) -> None:
        self.position = 0
        self.round = 0
        """The number of the sweep at which it was sent."""
        self.unconfirmed = 0
        """Events queued since."""


class Positions:
    """The position up to which this node has delivered, and the rules by which connections get it."""

    def __init__(self, epochs: Epochs) -> None:
        self.head = 0
        self._epochs = epochs
        self._round = 0
        self._frame = b""
        self._framed = -1

    def begin(self, progress: Progress, position: int) -> bytes:
        """Record that every event up to ``position`` is queued for a connection; return the position frame."""
        progress.position = position
        progress.round = self._round
        return position_frame(self._epochs.mark(position))

    def with_events(self, progress: Progress) -> bytes | None:
        """Return the position frame to write behind the events of a flush, None if it can wait."""
        if progress.round == self._round and progress.unconfirmed < MAX_UNCONFIRMED:
            return None
        return self.last(progress)

    def sweep(self) -> None:
        """Begin the next round, a second long."""
        self._round += 1

    def due(self, progress: Progress) -> bytes | None:
        """Return the position frame that is due at this sweep, or None."""
        if progress.unconfirmed or progress.round + QUIET_ROUNDS <= self._round:
            return self.last(progress)
        return None

    def last(self, progress: Progress) -> bytes | None:
        """Return a frame with the newest position, None if the peer knows it already."""
        progress.unconfirmed = 0
        if progress.position >= self.head:
            return None
        progress.position = self.head
        progress.round = self._round
        if self._framed != self.head:  # made once for all connections
            self._frame, self._framed = position_frame(self._epochs.mark(self.head)), self.head
        return self._frame
