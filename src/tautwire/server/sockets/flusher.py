"""When queued frames are written: once for each connection at the end of a tick, those with an answer first.

Answers do not wait behind the events of others: connections with an answer are written first, then as many of the
others as fit into a turn of the loop. Nothing relies on the loop for joining writes: the queues are explicit.

One failure stays one: a connection whose frames cannot be written is closed, since it would miss some; all others are
written. Nothing here is a coroutine.
"""

import asyncio
import logging
from collections import deque
from typing import Final, Generic, Protocol, TypeVar

from tautwire.session.outbox import Outbox

log = logging.getLogger("tautwire.server.sockets")

FLUSHES_PER_TURN: Final = 150
"""Connections without an answer that are written in one turn of the loop, about 1 ms. Frames that arrive meanwhile are
read in the next turn: a channel of thousands must not delay the rest."""


class Writable(Protocol):
    """A live connection, as the flusher sees it."""

    @property
    def number(self) -> int:
        """Unique among the connections of this process; never 0."""

    @property
    def user(self) -> str:
        """The id of the connection's user, or of the app it belongs to; empty if that is unknown."""

    @property
    def outbox(self) -> Outbox:
        """The frames that wait. The code that puts in the first one also schedules the flush."""

    def flush(self) -> bool:
        """Write queued frames; return True if some of them have to wait for the next turn."""

    def fail(self) -> None:
        """Drop the socket because of an internal error."""


C = TypeVar("C", bound=Writable)


class Flusher(Generic[C]):
    """The connections with queued frames."""

    def __init__(self) -> None:
        self._answered: dict[C, None] = {}
        self._dirty: deque[C] = deque()
        self._is_scheduled = False

    def push(self, connection: C, frame: bytes) -> None:
        """Queue a frame for one connection; it is written at the end of this tick."""
        if not connection.outbox:
            self.flush_later(connection)
        connection.outbox.append(frame)

    def answer(self, connection: C, frame: bytes, *, first: bool = False) -> None:
        """Queue the answer to a frame of the connection; connections with answers are written first.

        With ``first`` the frame also overtakes those queued for this connection: a pong does not wait behind events.
        """
        self._answered[connection] = None
        self._schedule()
        if first:
            connection.outbox.insert_first(frame)
        else:
            connection.outbox.append(frame)

    def flush_later(self, connection: C) -> None:
        """Schedule a flush of the connection for the end of this tick."""
        self._dirty.append(connection)
        self._schedule()

    def give_up(self, connection: C, why: str, error: Exception) -> None:
        """Close a connection because of an internal error after which it would miss a frame."""
        log.error("connection %d of %s ended: %s", connection.number, connection.user, why, exc_info=error)
        try:
            connection.fail()
        except Exception:
            log.exception("connection %d of %s could not be dropped", connection.number, connection.user)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._is_scheduled = False  # first: even if a write below raises, the next frame schedules a flush again
        answered, self._answered = self._answered, {}
        dirty = self._dirty
        try:
            for connection in answered:
                self._write(connection)
            # The length is taken once: a connection with more to write is appended again, for the next turn.
            for _ in range(min(len(dirty), FLUSHES_PER_TURN)):
                self._write(dirty.popleft())
        finally:
            if dirty or self._answered:
                self._schedule()

    def _write(self, connection: C) -> None:
        try:
            if connection.flush():
                self._dirty.append(connection)
        except Exception as error:  # noqa: BLE001 - logged there
            self.give_up(connection, "its queued frames could not be written", error)
