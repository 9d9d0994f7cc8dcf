"""The one thread that changes the database: units of work, committed in groups.

A caller that wants a change posts a *unit*: a function that gets a ``Transaction``, reads, decides, writes and returns
a result. Units that wait at the same time are committed together (group commit), in the order they were posted. After
the commit the loop gets one report for the whole batch: first the new log entries, in order, then the results. So an
ack is never sent before the change is on disk, and an event is queued before the call that caused it is answered.

A unit that raises undoes its own changes and no others. If the commit fails (disk full), every unit of the batch gets
the error, nothing is delivered, and what units remember is forgotten. If the rollback fails too, the connection to the
database is replaced. If that fails as well, the writer is *broken*: every unit gets an error from then on, and
``broken`` is called, so that the owner can end the process. Every unit gets an answer, whatever fails.

How a batch is carried out, and what happens when the connection to the database breaks, is in ``committer``.

Other writers may write to the same log. ``Transaction.begin`` finds their entries, and they are delivered before those
of the batch: every entry comes through this thread, in the order of the log.

Only one batch is in progress at a time. The next one begins when the loop has delivered the last one and has polled its
sockets once: clients that get their acks together send their next messages together, and those share a commit.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.health import Health
from tautwire.server.log.committer import Committer
from tautwire.server.log.entry import Entry
from tautwire.server.log.transaction import LogCutError, Unit
from tautwire.server.store.engine import Durability, Engine, StoreError

log = logging.getLogger("tautwire.server.log")

T = TypeVar("T")
Done = Callable[[Any, BaseException | None], None]
Job = tuple[Unit[Any], Done]
Deliver = Callable[[Sequence[Entry]], None]

MAX_BATCH: Final = 256
"""Units in one commit; bounds the time that the first of them waits."""

DELIVERY_WAIT: Final = 0.05
"""Seconds that the next batch waits for the delivery of the last one: a busy loop must not stop the disk."""

LOG_INTERVAL: Final = 1.0
"""Seconds between two log lines about batches that fail: a full disk fails hundreds a second."""

CLOSE_PATIENCE: Final = 8.0
"""Seconds until ``close`` gives up on the thread: a disk that hangs must not keep the process alive."""

FAULT: Final = "store"
"""The fault that means: changes cannot be stored."""


class Outcome(NamedTuple):
    """The report of a committed or failed batch to the loop."""

    entries: Sequence[Entry]
    results: Sequence[tuple[Done, Any, BaseException | None]]


class Writer:
    """Runs units in a thread of its own and reports each batch to the loop.

    Args:
        deliver: called on the loop with the entries of each commit, in log order, before any result is reported; it can
            be given later, with ``deliver_to``.
        broken: called on the loop, once, with the reason when the writer is broken.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        deliver: Deliver | None = None,
        durability: Durability = "full",
        health: Health | None = None,
        counts: Counts | None = None,
        broken: Callable[[StoreError], None] | None = None,
    ) -> None:
        self._deliver = deliver
        self._health = health or Health()
        self._counts = counts or Counts()
        self._on_broken = broken
        self._committer = Committer(engine, durability, clock, self._deliver_missed)
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._batch: Sequence[Job] = ()  # in progress in the thread
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

    def deliver_to(self, deliver: Deliver) -> None:
        """Deliver the entries of commits from now on; those before, of a start, have no readers yet."""
        self._deliver = deliver

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def accepts(self) -> bool:
        """Whether changes can be posted: the writer is neither closed nor broken."""
        return not self._closed and self._failure is None

    @property
    def waiting(self) -> int:
        """Number of changes that wait for their commit."""
        return self._jobs.qsize() + len(self._batch)

    @property
    def busy_for(self) -> float:
        """Seconds since the batch in progress began; 0 if there is none."""
        since = self._busy_since
        return 0.0 if since is None else monotonic() - since

    def post(self, unit: Unit[Any], done: Done) -> None:
        """Queue a unit; ``done(result, error)`` is called on the loop when its batch is durable or has failed.

        Raises:
            StoreError: the server is stopping, or the writer is broken.
        """
        if self._closed:
            raise StoreError("the server is stopping; send the change again when it is back")
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
        """Commit the waiting changes, report them, and end the thread.

        Args:
            patience: seconds after which changes that are not committed are given up, with an error to their callers.
        """
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, patience)
        await asyncio.sleep(0)  # the report of the last batch is queued on the loop: let it run first
        if self._thread.is_alive():
            self._given_up = True
            log.error("the database does not answer; %d changes are given up", self.waiting)
            failure = StoreError(
                "the server is stopping and the database does not answer; the change may or may not be stored"
            )
            self._report(Outcome((), [(done, None, failure) for _, done in (*self._batch, *self._take_waiting())]))
        else:
            await asyncio.to_thread(self._committer.close)  # it may flush the database

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
            # ``close`` has already answered the callers of this batch: a second answer must not follow.
            if self._given_up:
                return
            self._delivered.clear()
            try:
                self._loop.call_soon_threadsafe(self._report, outcome)
            except RuntimeError:  # the loop is closed: the program ended without stopping the server
                return

    def _gather(self, job: Job | None) -> tuple[list[Job], bool]:
        """Return ``job`` and the jobs queued behind it, up to a batch, and whether the thread ends after them."""
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
        """Run a batch in one transaction; return a result for each of its units, whatever fails."""
        if self._failure is not None:
            return _failed(batch, self._failure)
        started = monotonic()
        try:
            entries, results = self._committer.commit([unit for unit, _ in batch])
        except BaseException as error:  # noqa: BLE001 - every caller gets it, and the thread continues
            failure = self._recover(error, len(batch))
            if self._closed:  # the disk had its chance: a stopping server does not retry each waiting batch
                batch += self._take_waiting()
                self._jobs.put(None)
            return _failed(batch, failure)
        self._counts.commit_seconds.observe(monotonic() - started)
        self._counts.commit_changes.observe(len(batch))
        self._health.clear(FAULT)
        return Outcome(entries, [(done, *result) for (_, done), result in zip(batch, results, strict=True)])

    def _recover(self, error: BaseException, size: int) -> StoreError:
        """Undo a failed batch; return the error for its callers."""
        self._counts.commit_failures += 1
        if isinstance(error, LogCutError):  # its text says all; a traceback would not help
            return self._break_down(error)
        self._log_failure(error, size)
        failure = StoreError(f"the change could not be stored: {error}")
        self._health.fault(FAULT, str(failure))
        try:
            self._committer.undo()
        except StoreError as broken:
            return self._break_down(broken)
        return failure

    def _deliver_missed(self, entries: list[Entry], *, more_follow: bool) -> None:
        """Deliver entries of other writers."""
        self._delivered.clear()
        self._loop.call_soon_threadsafe(self._report, Outcome(entries, ()))
        if more_follow:  # many, after an absence of the database: not faster than the loop delivers them
            self._delivered.wait(DELIVERY_WAIT)

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
        """Empty the queue; return its jobs."""
        waiting = []
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    waiting.append(job)
        return waiting

    # -- on the loop ------------------------------------------------------------------------------------------

    def _report(self, outcome: Outcome) -> None:
        if outcome.entries and self._deliver is not None:
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
        # Twice, so that the loop polls its sockets once in between.
        self._loop.call_soon(self._loop.call_soon, self._delivered.set)


def _failed(batch: Sequence[Job], failure: StoreError) -> Outcome:
    return Outcome((), [(done, None, failure) for _, done in batch])
