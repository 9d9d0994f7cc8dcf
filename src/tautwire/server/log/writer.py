"""The one thread that changes the database: units of work, committed in groups.

Whoever wants a change hands in a *unit*: a function that gets a ``Transaction``, reads, decides, writes and returns a
result. Units that wait together are committed together (group commit), in the order they came in. After the commit
the loop is told once for the whole batch: first the new log entries, in order, then the results. So an ack is never
older than the disk, and an event is on its way before the call that caused it is answered.

A unit that raises undoes its own writes and nobody else's. If the commit itself fails (disk full), every unit of the
batch gets the error, nothing is delivered, and the caches of the thread are thrown away. If even the rollback fails,
the connection to the database is made anew. If that fails too, the writer is *broken*: every unit gets an error from
then on, and the owner is told, who ends the process. So every unit is answered, whatever fails.

Only one batch is on its way at a time: the next one begins when the loop has delivered the last one and looked at its
sockets once. Senders that got their acks together then send together again, and are committed together.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.health import Health
from tautwire.server.log.entry import Entry
from tautwire.server.log.transaction import HeadMovedError, Transaction, Unit
from tautwire.server.store.database import UNIT_ERRORS, Database, Durability, StoreError

log = logging.getLogger("tautwire.server.log")

T = TypeVar("T")
Done = Callable[[Any, BaseException | None], None]
Job = tuple[Unit[Any], Done]

MAX_BATCH: Final = 256
"""Units in one commit: bounds the time that the first one of them waits."""

DELIVERY_WAIT: Final = 0.05
"""Seconds that the next batch waits for the delivery of the last one: a loop that is busy must not stop the disk."""

LOG_INTERVAL: Final = 1.0
"""Seconds between two log lines about batches that fail: a full disk fails hundreds a second."""

CLOSE_PATIENCE: Final = 8.0
"""Seconds that the thread has to end. A disk that does not answer must not keep the process alive."""

FAULT: Final = "store"
"""The name under which the writer reports that changes cannot be stored."""


class Outcome(NamedTuple):
    """What the loop is told of a committed (or failed) batch."""

    entries: Sequence[Entry]
    results: Sequence[tuple[Done, Any, BaseException | None]]


class Writer:
    """Runs units in its own thread and reports each batch to the loop.

    Args:
        deliver: called on the loop with the entries of each commit, in log order, before any result is reported.
        broken: called on the loop, once, with the reason why nothing can be stored any more.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        deliver: Callable[[Sequence[Entry]], None],
        durability: Durability = "full",
        health: Health | None = None,
        counts: Counts | None = None,
        broken: Callable[[StoreError], None] | None = None,
    ) -> None:
        self._database = database
        self._durability: Durability = durability
        self._clock = clock
        self._deliver = deliver
        self._health = health or Health()
        self._counts = counts or Counts()
        self._on_broken = broken
        self._connection, self._transaction = self._open()
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._batch: Sequence[Job] = ()  # what the thread is at
        self._busy_since: float | None = None
        self._delivered = threading.Event()
        self._delivered.set()
        self._failure: StoreError | None = None  # why the writer is broken
        self._logged_at = -LOG_INTERVAL
        self._unlogged = 0
        self._closed = False
        self._given_up = False
        self._thread = threading.Thread(target=self._run, name="tautwire-writer", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def accepts(self) -> bool:
        """Whether changes can be handed in: it is neither closed nor broken."""
        return not self._closed and self._failure is None

    @property
    def waiting(self) -> int:
        """Changes that wait for their commit."""
        return self._jobs.qsize() + len(self._batch)

    @property
    def busy_for(self) -> float:
        """Seconds since the thread began with the changes it is at; 0 if there are none."""
        since = self._busy_since
        return 0.0 if since is None else monotonic() - since

    def post(self, unit: Unit[Any], done: Done) -> None:
        """Queue a unit; ``done(result, error)`` is called on the loop when its batch is durable or has failed.

        Raises:
            StoreError: the server is stopping, or nothing can be stored any more.
        """
        if self._closed:
            raise StoreError("the server is stopping")
        if self._failure is not None:
            raise self._failure
        self._jobs.put((unit, done))

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; return its result when it is durable, or raise what it raised."""
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.done():  # the caller was cancelled
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.post(unit, done)
        return await future

    async def close(self, patience: float = CLOSE_PATIENCE) -> None:
        """Commit what waits, report it, and end the thread.

        Args:
            patience: seconds after which what the disk has not taken is given up.
        """
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, patience)
        await asyncio.sleep(0)  # the report of the last batch is queued on the loop: let it run first
        if self._thread.is_alive():
            self._given_up = True
            log.error("the disk does not answer; %d changes are given up", self.waiting)
            failure = StoreError("the server is stopping and the disk does not answer; the change may be stored or not")
            self._report(Outcome((), [(done, None, failure) for _, done in (*self._batch, *self._take_waiting())]))
        else:
            self._connection.close()

    def _open(self) -> tuple[sqlite3.Connection, Transaction]:
        connection = self._database.connect(durability=self._durability)
        return connection, Transaction(connection, self._clock)

    # -- in the writer's thread -------------------------------------------------------------------------------

    def _run(self) -> None:
        is_ending = False
        while not is_ending:
            job = self._jobs.get()
            if job is not None:
                self._delivered.wait(DELIVERY_WAIT)
            batch, is_ending = self._gather(job)
            if not batch:
                continue
            self._batch, self._busy_since = batch, monotonic()
            outcome = self._commit(batch)
            self._batch, self._busy_since = (), None
            if self._given_up:
                return
            self._delivered.clear()
            try:
                self._loop.call_soon_threadsafe(self._report, outcome)
            except RuntimeError:  # the loop is closed: the program ended without stopping the server
                return

    def _gather(self, job: Job | None) -> tuple[list[Job], bool]:
        """Take what waits behind ``job``, up to a batch; return it, and whether the writer is to end after it."""
        batch: list[Job] = []
        while job is not None:
            batch.append(job)
            if len(batch) >= MAX_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[Job]) -> Outcome:
        """Run a batch in one transaction. Whatever fails, there is a result for each of its units."""
        if self._failure is not None:
            return _failed(batch, self._failure)
        started = monotonic()
        try:
            outcome = self._attempt(batch)
        except BaseException as error:  # noqa: BLE001 - every caller is told, and the thread goes on
            failure = self._recover(error, len(batch))
            if self._closed:  # the disk was given its chance: a stopping server does not try each waiting change
                batch += self._take_waiting()
                self._jobs.put(None)
            return _failed(batch, failure)
        self._counts.commit_seconds.observe(monotonic() - started)
        self._counts.commit_changes.observe(len(batch))
        self._health.clear(FAULT)
        return outcome

    def _attempt(self, batch: Sequence[Job]) -> Outcome:
        transaction = self._transaction
        results: list[tuple[Done, Any, BaseException | None]] = []
        if not self._database.is_in_place:
            raise StoreError(f"{self._database.path} was removed or replaced: put it back, or restore a backup")
        transaction.begin()
        for unit, done in batch:
            try:
                results.append((done, transaction.attempt(unit), None))
            except BaseException as error:
                if isinstance(error, sqlite3.Error) and not isinstance(error, UNIT_ERRORS):
                    raise  # the disk, not the unit
                if not isinstance(error, Exception):  # raised on the loop, it would end the program
                    error = RuntimeError(f"a change ended with {error!r}")
                results.append((done, None, error))
        return Outcome(transaction.commit(), results)

    def _recover(self, error: BaseException, size: int) -> StoreError:
        """Undo a batch that failed, with a new connection if the old one cannot; return what its callers are told."""
        self._counts.commit_failures += 1
        if isinstance(error, HeadMovedError):  # which says all; where it was noticed is no help
            return self._break_down(error)
        self._log_failure(error, size)
        failure = StoreError(f"the change could not be stored: {error}")
        self._health.fault(FAULT, str(failure))
        try:
            self._transaction.rollback()
        except BaseException as stuck:  # noqa: BLE001 - the next step is to do without this connection
            log.error("the rollback failed (%s); the database is opened anew", stuck)  # noqa: TRY400
            return self._reopen(failure)
        return failure

    def _reopen(self, failure: StoreError) -> StoreError:
        """Make the connection anew; return what the callers of the failed batch are told."""
        head = self._transaction.expected_head
        try:
            self._connection.close()  # undoes what is not committed
        except sqlite3.Error as error:
            log.warning("the old connection to the database was not closed: %s", error)
        try:
            self._connection, self._transaction = self._open()
        except Exception as error:  # noqa: BLE001 - told to every caller, and to the owner
            return self._break_down(StoreError(f"the database cannot be opened any more: {error}; restart the server"))
        self._transaction.expected_head = head
        return failure

    def _break_down(self, failure: StoreError) -> StoreError:
        self._failure = failure
        self._health.fault(FAULT, str(failure))
        if self._on_broken is not None:
            self._loop.call_soon_threadsafe(self._on_broken, failure)
        return failure

    def _log_failure(self, error: BaseException, size: int) -> None:
        now = monotonic()
        if now < self._logged_at + LOG_INTERVAL:
            self._unlogged += 1
            return
        more = f" ({self._unlogged} more batches since the last such line)" if self._unlogged else ""
        log.error("a batch of %d changes could not be stored%s", size, more, exc_info=error)
        self._logged_at, self._unlogged = now, 0

    def _take_waiting(self) -> list[Job]:
        """Empty the queue."""
        waiting = []
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    waiting.append(job)
        return waiting

    # -- on the loop ------------------------------------------------------------------------------------------

    def _report(self, outcome: Outcome) -> None:
        if outcome.entries:
            try:
                self._deliver(outcome.entries)
            except Exception:
                log.exception(
                    "entries %d to %d were not delivered to all",
                    outcome.entries[0].position,
                    outcome.entries[-1].position,
                )
        for done, result, error in outcome.results:
            try:
                done(result, error)
            except Exception:
                log.exception("a result could not be reported")
        self._loop.call_soon(self._loop.call_soon, self._delivered.set)  # after one look at the sockets


def _failed(batch: Sequence[Job], failure: StoreError) -> Outcome:
    return Outcome((), [(done, None, failure) for _, done in batch])
