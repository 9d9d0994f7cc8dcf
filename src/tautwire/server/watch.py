"""Checks every half second what no part can report: a thread that hangs, a full disk, entries of another writer.

A part that fails reports its fault when it is used. The watch finds faults that are visible only from outside, and
those of a part that is not in use. Each check is a task of its own: one that hangs or raises does not stop the others.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Final

from tautwire.server.health import Health
from tautwire.server.log.tail import Tail
from tautwire.server.log.transaction import Transaction, Unit
from tautwire.server.log.writer import FAULT, Writer
from tautwire.server.store.engine import Engine, StoreError
from tautwire.server.store.queries.channels import delete_last_ts, set_last_ts
from tautwire.server.store.queries.workspace import read_head
from tautwire.server.store.reader import Reader
from tautwire.server.tasks import cancel

log = logging.getLogger("tautwire.server.watch")

INTERVAL: Final = 0.5
"""Seconds between two checks."""
RETRY_INTERVAL: Final = 1.0
"""Seconds between two checks that use the database."""
MAX_BUSY: Final = 1.5
"""Seconds that one batch may take; with the interval, a disk that hangs is reported after two."""
MIN_FREE: Final = 32 * 1_048_576
"""Bytes of free disk below which the server is not ready: room for the write-ahead log, and time to act."""
MIN_FREE_SHARE: Final = 0.05
"""The limit on a very small disk, as a share of it, where that is less."""
LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about a check that fails."""

_NO_CHANNEL: Final = ""


class Watch:
    """Reports the faults ``writer``, ``disk`` and ``database``, clears ``store`` when the disk has room again, and
    finds a database that was moved, and entries of other writers while this one is idle.

    Args:
        pace: by how much the intervals are longer.
    """

    def __init__(
        self,
        health: Health,
        engine: Engine,
        data: Path,
        writer: Writer,
        reader: Reader,
        tail: Tail,
        *,
        pace: float = 1.0,
    ) -> None:
        self._pace = pace
        self._health = health
        self._engine = engine
        self._writer = writer
        self._reader = reader
        self._tail = tail
        self._data = data
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the checks."""
        steps: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._check_writer, INTERVAL),
            (self._check_disk, INTERVAL),
            (self._check_store, RETRY_INTERVAL),
            (self._check_database, RETRY_INTERVAL),
        ]
        self._tasks = [asyncio.create_task(_repeat(step, interval * self._pace)) for step, interval in steps]

    async def stop(self) -> None:
        """Stop the checks."""
        await asyncio.gather(*map(cancel, self._tasks))

    async def _check_writer(self) -> None:
        busy = self._writer.busy_for
        if not self._writer.is_alive:
            self._health.fault("writer", "the thread that stores changes has ended: restart the server")
        elif busy > MAX_BUSY:
            self._health.fault(
                "writer", f"the database has not answered for {busy:.1f} s; {self._writer.waiting} changes wait"
            )
        else:
            self._health.clear("writer")

    async def _check_disk(self) -> None:
        if not self._data.exists():
            self._health.fault("disk", f"{self._data} is missing: put it back")
            return
        total, _, free = shutil.disk_usage(self._data)
        if free < min(MIN_FREE, total * MIN_FREE_SHARE):
            self._health.fault("disk", f"{free / 1_048_576:.0f} MiB are free on the disk of {self._data}: make room")
        else:
            self._health.clear("disk")

    async def _check_store(self) -> None:
        """While no change is in progress: try a write after a fault, and look for entries of other writers."""
        if not self._writer.accepts or self._writer.waiting or "database" in self._health.faults:
            return
        if FAULT in self._health.faults or await self._find_problem() is not None:
            await self._write(_occupy)
            return
        seen = self._tail.position
        head = await self._reader.read(read_head)
        if head != seen and head != self._tail.position and self._writer.accepts:
            await self._write(_look)  # a commit not yet delivered, or another writer: the writer finds out

    async def _check_database(self) -> None:
        """Check that the database can be read. Damage stays reported: the next read may miss the damaged page."""
        damage = self._reader.damage
        problem = damage
        if problem is None:
            try:
                await self._reader.read(read_head)
            except StoreError as error:
                problem = str(error)
        if problem is None:
            self._health.clear("database")
        elif damage is None and not self._engine.keeps_to_itself:  # a database server may come back
            self._health.fault("database", problem)
        else:
            self._health.fault(
                "database", f"the database cannot be read ({problem}): stop the server and restore a backup"
            )

    async def _find_problem(self) -> str | None:
        if self._engine.keeps_to_itself:
            return self._engine.problem()
        return await asyncio.to_thread(self._engine.problem)  # a database server may have to be reached first

    async def _write(self, unit: Unit[None]) -> None:
        with contextlib.suppress(StoreError):  # the writer reports it
            await self._writer.write(unit)


def _look(tx: Transaction) -> None:
    """Do nothing: each batch looks for entries of other writers."""


def _occupy(tx: Transaction) -> None:
    """Write more bytes than a message and delete them: SQLite does not write a row whose value stays the same."""
    set_last_ts(tx, _NO_CHANNEL, "0" * 65_536)
    delete_last_ts(tx, _NO_CHANNEL)


async def _repeat(step: Callable[[], Awaitable[None]], interval: float) -> None:
    logged_at = -LOG_INTERVAL
    while True:
        try:
            await step()
        except Exception:
            if monotonic() - logged_at >= LOG_INTERVAL:
                log.exception("a check of the server failed; the next one follows")
                logged_at = monotonic()
        await asyncio.sleep(interval)
