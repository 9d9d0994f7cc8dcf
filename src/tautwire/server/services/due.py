"""Runs what a workspace has to do at a stored time. What that is, the rules say (``services.messaging.scheduled``).

A thing to do is a row with a time, in seconds. The unit that does it deletes the row, so it is done once, whenever the
process is killed; what became due while the server was down is done after the start.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from tautwire.server.clock import Clock
from tautwire.server.log.transaction import Unit
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.reader import Reader

log = logging.getLogger("tautwire.server")

BATCH: Final = 100
"""Rows of which the units are queued before the next look."""
RECHECK: Final = 30.0
"""Seconds after which the table is read again: another node may have added a row, and a failure may be over."""


class Duty(NamedTuple):
    """A kind of things to do."""

    find: Callable[[Query, int, int], Sequence[str]]
    """``find(query, now, count)`` returns the ids of at most ``count`` rows that are due, the earliest first."""
    find_next: Callable[[Query], int | None]
    """Returns when the next row is due, None if there is no row."""
    do: Callable[[str], Unit[None]]
    """Returns the unit for a row."""
    drop: Callable[[str], Unit[None]]
    """Returns the unit that deletes a row whose own unit failed: it would fail for ever."""


class Due:
    """Does the duties of one workspace when they are due.

    It knows when the next one is due, so ``sweep`` costs nothing before.
    """

    def __init__(self, duty: Duty, clock: Clock, writer: Writer, reader: Reader) -> None:
        self._duty = duty
        self._clock = clock
        self._writer = writer
        self._reader = reader
        self._next: float = 0  # wall-clock seconds; read at the first sweep
        self._recheck = 0.0  # on the monotonic clock
        self._task: asyncio.Task[None] | None = None

    def expect(self, due: int) -> None:
        """Called when a row was stored on this node."""
        self._next = min(self._next, due)

    def sweep(self) -> None:
        """Begin to do what is due; to be called about once a second, on the loop."""
        if self._task is not None:
            return
        if self._clock.seconds() < self._next and self._clock.monotonic() < self._recheck:
            return
        self._recheck = self._clock.monotonic() + RECHECK
        self._next = float("inf")  # ``expect`` may lower it while the table is read
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """Stop; what is not done is done after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        error = None if task.cancelled() else task.exception()
        if isinstance(error, StoreError):
            log.warning("what is due has to wait: %s", error)
        elif error is not None:
            log.error("what is due has to wait", exc_info=error)

    async def _run(self) -> None:
        duty = self._duty
        while ids := await self._reader.read(lambda query: duty.find(query, self._clock.seconds(), BATCH)):
            outcomes = await asyncio.gather(*map(self._settle, ids), return_exceptions=True)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome
        following = await self._reader.read(duty.find_next)
        if following is not None:
            self.expect(following)

    async def _settle(self, row: str) -> None:
        try:
            await self._writer.write(self._duty.do(row))
        except StoreError:  # the row stays
            raise
        except Exception:
            log.exception("%s is due and fails; it is dropped", row)
            await self._writer.write(self._duty.drop(row))
