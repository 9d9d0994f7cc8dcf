"""Looks every half second at what does not report by itself: a thread that hangs, a full disk, a second writer.

A part that fails reports its fault when it is used. This is for what can only be seen from outside, and for the time
in which nothing uses the part. Each look is a task of its own: one that hangs or raises costs itself alone.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

from tautwire.server.health import Health
from tautwire.server.log.tail import Tail
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import FAULT, Writer
from tautwire.server.store.database import Database, Query, StoreError
from tautwire.server.store.reader import Reader

log = logging.getLogger("tautwire.server.watch")

INTERVAL: Final = 0.5
"""Seconds between two looks."""
RETRY_INTERVAL: Final = 1.0
"""Seconds between two looks that use the database."""
MAX_BUSY: Final = 1.5
"""Seconds that the writer may be at one batch; with the interval, a disk that hangs is reported after two."""
MIN_FREE: Final = 32 * 1_048_576
"""Bytes of free disk below which the server is not ready: room for the write-ahead log, and time to act."""
MIN_FREE_SHARE: Final = 0.05
"""The same as a share of the disk, where that is less: on a very small disk."""
LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about a look that fails."""


class Watch:
    """Reports the faults ``writer``, ``disk`` and ``database``, ends ``store`` when the disk has room, and notices a
    head or a file that was moved."""

    def __init__(self, health: Health, database: Database, writer: Writer, reader: Reader, tail: Tail) -> None:
        self._health = health
        self._database = database
        self._writer = writer
        self._reader = reader
        self._tail = tail
        self._data = database.directory
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        steps: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._look_at_writer, INTERVAL),
            (self._look_at_disk, INTERVAL),
            (self._look_at_store, RETRY_INTERVAL),
            (self._look_at_database, RETRY_INTERVAL),
        ]
        self._tasks = [asyncio.create_task(_repeat(step, interval)) for step, interval in steps]

    async def stop(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _look_at_writer(self) -> None:
        busy = self._writer.busy_for
        if not self._writer.is_alive:
            self._health.fault("writer", "the thread that stores changes has ended: restart the server")
        elif busy > MAX_BUSY:
            self._health.fault(
                "writer", f"the disk has not answered for {busy:.1f} s; {self._writer.waiting} changes wait"
            )
        else:
            self._health.clear("writer")

    async def _look_at_disk(self) -> None:
        if not self._data.exists():
            self._health.fault("disk", f"{self._data} is gone: put it back")
            return
        total, _, free = shutil.disk_usage(self._data)
        if free < min(MIN_FREE, total * MIN_FREE_SHARE):
            self._health.fault("disk", f"{free / 1_048_576:.0f} MiB are free on the disk of {self._data}: make room")
        else:
            self._health.clear("disk")

    async def _look_at_store(self) -> None:
        """While nothing else uses the store: try whether it takes changes again, and whether it is still ours alone."""
        if not self._writer.accepts or self._writer.waiting or "database" in self._health.faults:
            return
        if FAULT in self._health.faults or not self._database.is_in_place:
            await self._try()
            return
        seen = self._tail.position
        head = await self._reader.read(_read_head)
        if head != seen and head != self._tail.position and self._writer.accepts:
            await self._try()  # a commit that is being reported, or another process: the writer knows

    async def _look_at_database(self) -> None:
        """Whether it can be read. Damage that any read has found stays: it is not where the next one looks."""
        problem = self._reader.damage
        if problem is None:
            try:
                await self._reader.read(_read_head)
            except StoreError as error:
                problem = str(error)
        if problem is None:
            self._health.clear("database")
        else:
            self._health.fault(
                "database", f"the database cannot be read ({problem}): stop the server and restore a backup"
            )

    async def _try(self) -> None:
        with contextlib.suppress(StoreError):  # the writer has reported it
            await self._writer.write(_occupy)


def _read_head(query: Query) -> int:
    row: Any = query.one("SELECT head FROM workspace")
    return int(row[0])


def _occupy(tx: Transaction) -> None:
    """Write more than any message and take it away again: SQLite does not write a row that stays as it is."""
    tx.execute("INSERT INTO channel_clock (channel, last_ts) VALUES ('', zeroblob(65536))")
    tx.execute("DELETE FROM channel_clock WHERE channel = ''")


async def _repeat(step: Callable[[], Awaitable[None]], interval: float) -> None:
    logged_at = -LOG_INTERVAL
    while True:
        try:
            await step()
        except Exception:
            if monotonic() - logged_at >= LOG_INTERVAL:
                log.exception("a look at the server failed; the next one follows")
                logged_at = monotonic()
        await asyncio.sleep(interval)
