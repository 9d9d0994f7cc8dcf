"""A planned change from one connection to the next: the old one brings what is on its way, the new one waits for that.

The server's events may come by both connections meanwhile; ``client/delivery/duplicates`` recognises the copies.
An unplanned change needs no handover: the old connection is gone.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from tautwire.client.connection.connection import Connection
from tautwire.client.guard import isolated
from tautwire.client.notices import Resume
from tautwire.session.client import Cause

SETTLE: Final = 1.0
"""Seconds an old connection stays after its pong if events may come behind that. slack_sdk's rtm_v2 client keeps it
about as long."""

REPLACED: Final = "replaced by a new connection"


class Handover:
    """One change; whatever happens to either connection, it comes to its end, at most once.

    Args:
        old: the connection that delivers still.
        new: its successor, whose hello came.
        cut_short: called with ``old`` if it ended before all its events had come, unless ``new`` brings them again.
        taken_over: called with ``new`` just before it may speak.
    """

    def __init__(
        self,
        old: Connection,
        new: Connection,
        cut_short: Callable[[Connection], None],
        taken_over: Callable[[Connection], None],
    ) -> None:
        self.over = asyncio.Event()
        """Set when the new connection delivers."""
        self._old = old
        self._new = new
        self._cut_short = cut_short
        self._taken_over = taken_over

    def begin(self) -> None:
        """Let the old connection bring what is on its way.

        Our own server is known by its positions: the new connection brings again what the old one did not. Of another
        server it is not known whether events may follow a pong.
        """
        linger = SETTLE if self._new.answer.resume is None else 0.0
        self._new.hold()
        self._old.retire(self._drained, linger)

    def abort(self) -> None:
        """Let the new connection take over now, whatever the old one has still to say. Does nothing the second time."""
        if not self.over.is_set():
            isolated(self._old.abort, REPLACED, Cause.REPLACED)  # which reports that it is drained
            self._drained()

    def _drained(self) -> None:
        if not self.over.is_set():
            self.over.set()
            if not self._old.is_drained and self._new.answer.resume is not Resume.RESUMED:
                isolated(self._cut_short, self._old)
            isolated(self._taken_over, self._new)
            isolated(self._new.release)
