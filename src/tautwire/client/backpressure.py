"""Where a client's reader and the queues of its handlers meet: which queues are full, and how large a frame is.

A full queue that drops nothing (``overflow="pause"``) is noted here, and the connection
(``client/connection/connection``) stops to read its socket until there is room again. Queues are emptied on the loop
and in threads; a change is made where it happens, and readers are called on their loop after it. They look at the state
as it is by then, so no change can be missed.
"""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Final

from tautwire.client.log import LOG

UNMEASURED: Final = bytes(1024)
"""Stands for the frame of an item that is in no frame, such as a ``Gap``, or whose frame is gone."""

LONG: Final = 10.0
"""Seconds without room after which the log names the handlers that do not keep up."""


class Backpressure:
    """Which queues of one client are full. There is one for each dispatcher."""

    def __init__(self) -> None:
        self.frame: bytes = UNMEASURED
        """The frame of the event that is being delivered: its length is what the event counts for in a queue."""
        self._full: dict[object, str] = {}
        self._stuffed: dict[object, str] = {}
        self._readers: tuple[tuple[Callable[[], None], asyncio.AbstractEventLoop], ...] = ()
        self._full_since = 0.0
        self._is_reported = False

    @property
    def is_full(self) -> bool:
        """Whether a queue is full: nothing is read but what must be."""
        return bool(self._full)

    @property
    def is_stuffed(self) -> bool:
        """Whether a queue has no room even for what comes before a reply: nothing is read at all."""
        return bool(self._stuffed)

    def mark(self, queue: object, name: str, *, is_full: bool, is_stuffed: bool) -> None:
        """Note how full the queue of a handler of this name is, and let the readers know. For any thread."""
        if is_full:
            if not self._full:
                self._full_since, self._is_reported = monotonic(), False
            self._full[queue] = name
        else:
            self._full.pop(queue, None)
        if is_stuffed:
            self._stuffed[queue] = name
        else:
            self._stuffed.pop(queue, None)
        for reader, loop in self._readers:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing is read on it any more
                loop.call_soon_threadsafe(reader)

    def listen(self, reader: Callable[[], None]) -> None:
        """Call ``reader`` on the running loop after each change."""
        self._readers = (*self._readers, (reader, asyncio.get_running_loop()))

    def forget(self, reader: Callable[[], None]) -> None:
        """Stop calling ``reader``. Does nothing if it is not registered."""
        self._readers = tuple(each for each in self._readers if each[0] != reader)

    def report(self) -> None:
        """Log which handlers do not keep up, once each time the socket is not read for long."""
        lasts = monotonic() - self._full_since
        if self._full and lasts >= LONG and not self._is_reported:
            self._is_reported = True
            names = ", ".join(sorted(set(self._full.values())))
            LOG.warning("nothing was read for %.0f s: the queue is full of handler %s", lasts, names)
