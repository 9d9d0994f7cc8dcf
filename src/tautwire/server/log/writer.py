"""The one thread that changes the database: units of work, committed in groups.

Whoever wants a change hands in a *unit*: a function that gets a ``Transaction``, reads, decides, writes and returns a
result. Units that wait together are committed together (group commit), in the order they came in. After the commit
the loop is told once for the whole batch: first the new log entries, in order, then the results. So an ack is never
older than the disk, and an event is on its way before the call that caused it is answered.

A unit that raises undoes its own writes and nobody else's. If the commit itself fails (disk full), every unit of the
batch gets the error, nothing is delivered, and the caches of the thread are thrown away.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from tautwire.server.clock import Clock
from tautwire.server.log.entry import Entry, Kind, Topic
from tautwire.server.store.database import Database, Durability, Row, StoreError

log = logging.getLogger("tautwire.server.log")

T = TypeVar("T")
Unit = Callable[["Transaction"], T]
Done = Callable[[Any, BaseException | None], None]
Job = tuple[Unit[Any], Done]

MAX_BATCH: Final = 256
"""Units in one commit: bounds the time that the first one of them waits."""

_INSERT_ENTRY: Final = "INSERT INTO log (position, kind, topic, payload) VALUES (?, ?, ?, ?)"


class Outcome(NamedTuple):
    """What the loop is told of a committed (or failed) batch."""

    entries: Sequence[Entry]
    results: Sequence[tuple[Done, Any, BaseException | None]]


class Transaction:
    """One unit's view of the database, inside the transaction of its batch.

    Rows for ``insert`` and ``emit`` are gathered and written by one statement for the whole batch; every other
    statement runs at once, after what was gathered. ``cache`` belongs to the thread: what services remember between
    units. What a unit changes in the database it has to change or ``forget`` in the cache.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self.cache: dict[object, Any] = {}
        self._connection = connection
        self._clock = clock
        self._now = 0
        self._head = 0
        self._entries: list[Entry] = []  # of the whole batch
        self._written = 0  # how many of them are in the database
        self._start = 0  # the first one of this unit
        self._settled: dict[str, list[Sequence[object]]] = {}  # rows of earlier units
        self._rows: list[tuple[str, Sequence[object]]] = []  # rows of this unit
        self._savepoint = False
        self._forgotten: list[object] = []

    @property
    def now(self) -> int:
        """The wall clock of the batch in microseconds."""
        return self._now

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""
        self._flush()
        row: Row | None = self._connection.execute(sql, arguments).fetchone()
        return row

    def all(self, sql: str, *arguments: object) -> list[Row]:
        """Return all rows of a query."""
        self._flush()
        return self._connection.execute(sql, arguments).fetchall()

    def execute(self, sql: str, *arguments: object) -> int:
        """Run a statement that changes rows; return how many it changed."""
        self._flush()
        self._protect()
        return self._connection.execute(sql, arguments).rowcount

    def insert(self, sql: str, row: Sequence[object]) -> None:
        """Gather a row for an INSERT that cannot fail since the unit made sure; a batch inserts its rows at once."""
        self._rows.append((sql, row))

    def emit(self, topic: Topic, payload: bytes, *, skip: int = 0) -> int:
        """Append an event to the log; return its position. Connection number ``skip`` does not get it."""
        return self._append("event", topic, payload, skip)

    def join(self, channel: Topic, user: str) -> None:
        """From this place of the log on the user sees the channel."""
        self._append("join", channel, user.encode(), 0)

    def leave(self, channel: Topic, user: str) -> None:
        """From this place of the log on the user does not see the channel."""
        self._append("leave", channel, user.encode(), 0)

    def forget(self, key: object) -> None:
        """Drop ``key`` from the cache, now and again if the unit fails."""
        self.cache.pop(key, None)
        self._forgotten.append(key)

    def _append(self, kind: Kind, topic: Topic, payload: bytes, skip: int) -> int:
        position = self._head + len(self._entries) + 1
        self._entries.append(Entry(position, kind, topic, payload, skip))
        return position

    def _protect(self) -> None:
        """Set the mark to which this unit alone can be undone."""
        if not self._savepoint:
            self._connection.execute("SAVEPOINT unit")
            self._savepoint = True

    def _flush(self) -> None:
        """Write what earlier units gathered, then, behind the mark, what this one did."""
        for sql, rows in self._settled.items():
            if rows:
                self._connection.executemany(sql, rows)
                rows.clear()
        self._write_entries(self._start)
        if self._rows or self._written < len(self._entries):
            self._protect()
            for sql, row in self._rows:
                self._connection.execute(sql, row)
            self._rows.clear()
            self._write_entries(len(self._entries))

    def _write_entries(self, end: int) -> None:
        if self._written < end:
            fresh = self._entries[self._written : end]
            self._connection.executemany(_INSERT_ENTRY, [(e.position, e.kind, e.topic, e.payload) for e in fresh])
            self._written = end

    # What follows is for the writer alone.

    def begin(self) -> None:
        """Take the database for a batch."""
        self._connection.execute("BEGIN IMMEDIATE")
        row = self._connection.execute("SELECT head FROM workspace").fetchone()
        self._head = row[0] if row else 0
        self._now = self._clock.micros()
        self._entries = []
        self._written = self._start = 0

    def attempt(self, unit: Unit[T]) -> T:
        """Run one unit; if it raises, undo what it did and raise on."""
        self._start = len(self._entries)
        try:
            result = unit(self)
        except BaseException:
            self._undo()
            raise
        self._settle()
        return result

    def _settle(self) -> None:
        for sql, row in self._rows:
            rows = self._settled.get(sql)
            if rows is None:
                rows = self._settled[sql] = []
            rows.append(row)
        self._rows.clear()
        self._forgotten.clear()
        self._release()

    def _undo(self) -> None:
        if self._savepoint:
            self._connection.execute("ROLLBACK TO unit")
        self._rows.clear()
        del self._entries[self._start :]
        self._written = min(self._written, self._start)
        for key in self._forgotten:
            self.cache.pop(key, None)
        self._forgotten.clear()
        self._release()

    def _release(self) -> None:
        if self._savepoint:
            self._connection.execute("RELEASE unit")
            self._savepoint = False

    def commit(self) -> list[Entry]:
        """Make the batch durable; return its log entries."""
        self._start = len(self._entries)
        self._flush()
        entries = self._entries
        if entries:
            self._connection.execute("UPDATE workspace SET head = ?", (entries[-1].position,))
        self._connection.execute("COMMIT")
        return entries

    def rollback(self) -> None:
        """Undo the whole batch and forget what the thread remembered."""
        self.cache.clear()
        self._rows.clear()
        self._settled.clear()
        self._forgotten.clear()
        self._savepoint = False
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


class Writer:
    """Runs units in its own thread and reports each batch to the loop.

    Args:
        deliver: called on the loop with the entries of each commit, in log order, before any result is reported.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        deliver: Callable[[Sequence[Entry]], None],
        durability: Durability = "full",
    ) -> None:
        self._connection = database.connect(durability=durability)
        self._transaction = Transaction(self._connection, clock)
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tautwire-writer", daemon=True)
        self._closed = False
        self._thread.start()

    def post(self, unit: Unit[Any], done: Done) -> None:
        """Queue a unit; ``done(result, error)`` is called on the loop when its batch is durable or has failed."""
        if self._closed:
            raise StoreError("the server is stopping")
        self._jobs.put((unit, done))

    async def write(self, unit: Unit[T]) -> T:
        """Run a unit; return its result when it is durable, or raise what it raised."""
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.post(unit, done)
        return await future

    async def close(self) -> None:
        """Commit what waits, report it, and end the thread."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.sleep(0)  # the report of the last batch is queued on the loop: let it run first
        self._connection.close()

    def _run(self) -> None:
        jobs = self._jobs
        ending = False
        while not ending:
            batch: list[Job] = []
            job = jobs.get()
            while job is not None:
                batch.append(job)
                if len(batch) >= MAX_BATCH:
                    break
                try:
                    job = jobs.get_nowait()
                except queue.Empty:
                    break
            else:
                ending = True
            if batch:
                self._loop.call_soon_threadsafe(self._report, self._commit(batch))

    def _commit(self, batch: Sequence[Job]) -> Outcome:
        transaction = self._transaction
        results: list[tuple[Done, Any, BaseException | None]] = []
        try:
            transaction.begin()
            for unit, done in batch:
                try:
                    results.append((done, transaction.attempt(unit), None))
                except sqlite3.OperationalError:
                    raise  # the disk, not the unit
                except Exception as error:  # noqa: BLE001 - belongs to whoever handed the unit in
                    results.append((done, None, error))
            return Outcome(transaction.commit(), results)
        except Exception as error:
            log.exception("a batch of %d changes could not be stored", len(batch))
            transaction.rollback()
            failure = StoreError(f"the change could not be stored: {error}")
            return Outcome((), [(done, None, failure) for _, done in batch])

    def _report(self, outcome: Outcome) -> None:
        if outcome.entries:
            self._deliver(outcome.entries)
        for done, result, error in outcome.results:
            try:
                done(result, error)
            except Exception:
                log.exception("a result could not be reported")
