"""Deletes the entries of the log that are older than the retention time and that no client can resume from.

The log grows with every event, and entries are read for a short time only. Entries have no time of their own. Instead,
at most once an hour the head of the log is stored with the wall clock as a *mark*: all entries up to a mark are at
least as old as the mark. The last ``MAX_REPLAY`` entries stay whatever their age, since a client can resume from there.

Deletion shares the writer's thread with posts. So it runs in small units, with pauses between them, and only while no
other change waits. SQLite reuses the space; the file does not shrink.
"""

import asyncio
import logging
from functools import partial
from typing import Final

from tautwire.server.clock import Clock
from tautwire.server.log.tail import MAX_REPLAY, Tail
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.queries.log import (
    delete_entries,
    delete_marks,
    find_marked,
    mark_head,
    measure_oldest,
    set_back_marks,
)
from tautwire.server.store.queries.workspace import read_head
from tautwire.server.store.reader import Reader

log = logging.getLogger("tautwire.server.log")

INTERVAL: Final = 60.0
"""Seconds between two runs."""
MARK_INTERVAL: Final = 3_600
"""Seconds between two marks."""
MAX_ENTRIES: Final = 500
MAX_BYTES: Final = 262_144
"""Entries and bytes deleted by one unit: a few milliseconds of the writer's time."""
PAUSE: Final = 0.05
"""Seconds between two units."""


class Retention:
    """Keeps the log no longer than the settings say.

    Args:
        keep: minimum age of deleted entries, in seconds.
    """

    def __init__(self, writer: Writer, reader: Reader, tail: Tail, clock: Clock, keep: float) -> None:
        self._writer = writer
        self._reader = reader
        self._tail = tail
        self._clock = clock
        self._keep = keep
        self._marked_at: int | None = None  # None until the first mark after the start

    async def run(self) -> None:
        """Mark and delete until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                log.warning("old entries of the log stay for now: %s", error)
            except Exception:
                log.exception("old entries of the log stay for now")
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Set a mark if one is due, and delete the entries that are old enough."""
        now = self._clock.seconds()
        if self._marked_at is None or not 0 <= now - self._marked_at < MARK_INTERVAL:
            await self._writer.write(partial(_mark, now=now))
            self._marked_at = now
        end = await self._reader.read(partial(_find_end, before=now - self._keep))
        count = 0
        while self._tail.kept_from <= end:
            while self._writer.waiting:  # noqa: ASYNC110 - the writer has no event for "idle", and a pause is wanted
                await asyncio.sleep(PAUSE)
            kept_from = await self._writer.write(partial(_delete, end=end))
            count += kept_from - self._tail.kept_from
            self._tail.kept_from = kept_from
            await asyncio.sleep(PAUSE)
        if count:
            log.info("%d old entries of the log are deleted; it begins at %d", count, self._tail.kept_from)


def _mark(tx: Transaction, now: int) -> None:
    """Store the head with the time (a unit). Marks in the future, of a clock that was set back, get the time now."""
    set_back_marks(tx, now)
    mark_head(tx, now)


def _find_end(query: Query, before: float) -> int:
    """Return the position up to which entries may be deleted, given the newest time they may have."""
    return min(find_marked(query, before) or 0, read_head(query) - MAX_REPLAY)


def _delete(tx: Transaction, end: int) -> int:
    """Delete the oldest entries up to ``end`` and the limits of a unit; return the position of the new oldest entry."""
    last, size = end, 0
    for position, length in measure_oldest(tx, end=end, count=MAX_ENTRIES):
        last, size = position, size + length
        if size > MAX_BYTES:
            break
    delete_entries(tx, end=last)
    delete_marks(tx, before=last)  # those of deleted entries
    return last + 1
