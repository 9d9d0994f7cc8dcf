"""When a connection that can resume is told how far it got.

A position frame says: every event up to this place of the log was sent to you. It is always queued behind the events
it covers, so a client that resumes from it misses nothing; what came after it is sent again, and the client leaves out
the copies. So positions may lag, and that is what makes them cheap. A connection gets one

- with the events of a flush, if it was given none since the last sweep (no write of its own, no frame in a flood);
- at the sweep, if it got events since its last one;
- at the sweep, every ``QUIET_ROUNDS``, if it got no event but others did. Its place advances all the same, or a quiet
  client would have to resume from too far back. More often would tell strangers how busy private channels are;
- before the server closes it.

Figures and what was left: docs/adr/0009-positions.md.
"""

from typing import Final

from tautwire.server.hub.frames import position_frame
from tautwire.server.log.epochs import Epochs

QUIET_ROUNDS: Final = 5
"""Sweeps, one a second, between two positions of a connection that gets no events."""

MAX_UNCONFIRMED: Final = 256
"""Events after which a connection gets a position in any case: a client remembers what came since its last position, to
leave out copies, and our own remembers 10,000 events or 8 MiB."""


class Progress:
    """How far the peer of one connection knows that it got."""

    __slots__ = ("position", "round", "unconfirmed")

    def __init__(self) -> None:
        self.position = 0
        self.round = 0
        """The sweep before which it was told."""
        self.unconfirmed = 0
        """Events queued for it since."""


class Positions:
    """The place in the log up to which this node has delivered, and which connection is told of it next."""

    def __init__(self, epochs: Epochs) -> None:
        self.head = 0
        self._epochs = epochs
        self._round = 0
        self._frame = b""
        self._framed = -1

    def begin(self, progress: Progress, position: int) -> bytes:
        """Note that everything up to ``position`` was queued for a connection; return the frame that tells it so."""
        progress.position = position
        progress.round = self._round
        return position_frame(self._epochs.mark(position))

    def with_events(self, progress: Progress) -> bytes | None:
        """Return the frame to write behind the events of a flush, None if it can wait."""
        if progress.round == self._round and progress.unconfirmed < MAX_UNCONFIRMED:
            return None
        return self.last(progress)

    def sweep(self) -> None:
        """Begin the next second."""
        self._round += 1

    def due(self, progress: Progress) -> bytes | None:
        """Return the frame that a connection should get at this sweep, if any."""
        if progress.unconfirmed or progress.round + QUIET_ROUNDS <= self._round:
            return self.last(progress)
        return None

    def last(self, progress: Progress) -> bytes | None:
        """Return the frame with the place up to which everything was queued for a connection, None if it knows."""
        progress.unconfirmed = 0
        if progress.position >= self.head:
            return None
        progress.position = self.head
        progress.round = self._round
        if self._framed != self.head:  # the connections told now are all told the same
            self._frame, self._framed = position_frame(self._epochs.mark(self.head)), self.head
        return self._frame
