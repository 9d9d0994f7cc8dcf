"""The events of one Socket Mode connection: where in the log it is, and what it has not acknowledged.

The envelope of an event is made from the position of its entry, so an event that is sent again has the id it had first.
Nothing of it is kept in memory: a connection that reads slowly is read for from the log.
"""

import asyncio
import logging
from typing import Final, NamedTuple
from uuid import UUID

from tautwire.gateway.intake import APP
from tautwire.server.log.entry import Entry
from tautwire.server.log.tail import Tail, read_page
from tautwire.server.socket_mode.connection import LinkConnection
from tautwire.server.sockets.flusher import Flusher
from tautwire.server.sockets.frames import text_frame
from tautwire.server.store.engine import StoreError
from tautwire.server.store.reader import Reader
from tautwire.server.taps.envelope import Envelope, socket_mode_frame

log = logging.getLogger("tautwire.gateway")

MAX_OPEN: Final = 1_000
"""Events from the oldest that is not acknowledged to the newest that was sent."""
MAX_QUEUED: Final = 262_144
"""Bytes that wait for a connection, beyond which it gets no event."""
PAGE: Final = 100
"""Entries that are sent in a turn of the loop."""
PAUSE: Final = 0.05
"""Seconds between two looks at a connection that does not read."""
RETRY_PAUSE: Final = 1.0
"""Seconds to the next try after the log could not be read."""


class Mark(NamedTuple):
    """Where a connection is."""

    position: int
    """All events up to it are acknowledged."""
    acknowledged: frozenset[int] = frozenset()
    """Positions of later ones that are as well."""
    sent: int = 0
    """The position up to which events were sent."""


class Figures:
    """The counters of all connections of a bot."""

    def __init__(self) -> None:
        self.sent = 0
        self.repeated = 0
        """Of these, events that an earlier connection had not acknowledged."""
        self.acknowledged = 0


class Stream:
    """Sends the log to one connection.

    Args:
        mark: where it begins.
    """

    def __init__(
        self, connection: LinkConnection, mark: Mark, *, flusher: Flusher[LinkConnection], tail: Tail, reader: Reader,
        figures: Figures,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._before = mark
        self._read = mark.position
        self._flusher = flusher
        self._tail = tail
        self._reader = reader
        self._figures = figures
        self._sent: dict[int, bool] = {}  # whether each is acknowledged, from the oldest that is not
        self._news = asyncio.Event()
        self._is_full = False
        self.open = 0
        """Events without an acknowledgement."""
        self.task = asyncio.create_task(self._run(), name=f"events of connection {connection.number}")

    @property
    def mark(self) -> Mark:
        """Where the connection is now."""
        oldest = next(iter(self._sent), self._read + 1)
        late = {position for position, is_acknowledged in self._sent.items() if is_acknowledged}
        late |= {position for position in self._before.acknowledged if position > self._read}
        return Mark(oldest - 1, frozenset(late), max(self._read, self._before.sent))

    def wake(self) -> None:
        """Look for new entries, since the log has grown."""
        self._news.set()

    def acknowledged(self, envelope_id: str) -> None:
        """Note an acknowledgement; one of an event that is not open has no effect."""
        try:
            position = UUID(envelope_id).int
        except ValueError:
            return
        if self._sent.get(position) is not False:
            return
        self._sent[position] = True
        self.open -= 1
        self._figures.acknowledged += 1
        while self._sent and self._sent[oldest := next(iter(self._sent))]:
            del self._sent[oldest]
        self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except StoreError as error:
                log.warning("the events of connection %d could not be read: %s", self._connection.number, error)
                await asyncio.sleep(RETRY_PAUSE)

    async def _step(self) -> None:
        """Send some entries, or wait for a reason to."""
        connection, tail = self._connection, self._tail
        if len(self._sent) >= MAX_OPEN and not self._is_full:
            self._is_full = True
            log.warning(
                "connection %d has not acknowledged an event for %d others and gets no more until it does",
                connection.number, MAX_OPEN,
            )  # fmt: skip
        if self._read >= tail.position or len(self._sent) >= MAX_OPEN:
            await self._news.wait()
            self._news.clear()
        elif connection.slow_since is not None or connection.queued_bytes >= MAX_QUEUED:
            await asyncio.sleep(PAUSE)
        else:
            for entry in await self._page():
                if len(self._sent) >= MAX_OPEN or connection.queued_bytes >= MAX_QUEUED:
                    break
                self._read = entry.position
                if entry.kind == "app" and entry.topic == APP and entry.position not in self._before.acknowledged:
                    self._send(entry)
            await asyncio.sleep(0)

    async def _page(self) -> list[Entry]:
        tail = self._tail
        missing = tail.kept_from - 1 - self._read
        if missing > 0:
            log.warning("connection %d was away too long: %d entries are deleted", self._connection.number, missing)
            self._read = tail.kept_from - 1
        end = min(self._read + 1 + PAGE, tail.position + 1)
        if self._read + 1 >= tail.oldest:
            return [tail.at(position) for position in range(self._read + 1, end)]
        after = self._read
        return await self._reader.read(lambda query: read_page(query, after=after, before=end))

    def _send(self, entry: Entry) -> None:
        is_repeated = entry.position <= self._before.sent
        envelope = Envelope("", str(UUID(int=entry.position)), entry.payload)
        frame = socket_mode_frame(envelope, int(is_repeated), "timeout" if is_repeated else "")
        self._sent[entry.position] = False
        self.open += 1
        self._figures.sent += 1
        self._figures.repeated += is_repeated
        self._flusher.push(self._connection, text_frame(frame))
