"""A unit's view of the database, inside the transaction of its batch. ``log.writer`` begins and ends it.

Theory. A batch is one SQLite transaction of many units, and a unit that raises must be undone alone. A savepoint for
each unit would do that, but costs two statements; posting, the hot path, needs none. So rows for ``insert`` and
``emit`` are gathered in memory, where undoing them is free, and a savepoint is set only when a unit runs another
statement.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from tautwire.protocol.ids import LAST_MICROS
from tautwire.server.clock import Clock
from tautwire.server.log.entry import Entry, Kind, Topic
from tautwire.server.store.database import Row, StoreError

T = TypeVar("T")
Unit = Callable[["Transaction"], T]

_INSERT_ENTRY: Final = "INSERT INTO log (position, kind, topic, payload, message_ts) VALUES (?, ?, ?, ?, ?)"


class HeadMovedError(StoreError):
    """Another process has written to this database. Its entries never reached the connections of this one."""


class Transaction:
    """One unit's view of the database, inside the transaction of its batch.

    Rows for ``insert`` and ``emit`` are gathered and written by one statement for the whole batch. Every other
    statement runs at once, after the gathered rows were written. ``cache`` is for values that services keep between
    units. A unit that changes the database has to change the cache as well, or ``forget`` the key.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock) -> None:
        self.cache: dict[object, Any] = {}
        self.expected_head: int | None = None
        """The head after the last commit of this process; None before the first."""
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
        """Gather a row for an INSERT; the batch inserts its rows together.

        The unit has to make sure that the INSERT cannot fail: an error would hit the whole batch.
        """
        self._rows.append((sql, row))

    def emit(self, topic: Topic, payload: bytes, *, skip: int = 0, message: str = "") -> int:
        """Append an event to the log; return its position. Connection number ``skip`` does not get it.

        With ``message``, the ts of a row of ``message`` whose channel is the topic, the log refers to that row.
        """
        return self._append("event", topic, payload, skip, message)

    def join(self, channel: Topic, user: str) -> None:
        """Make the channel visible to the user from this place of the log on."""
        self._append("join", channel, user.encode())

    def leave(self, channel: Topic, user: str) -> None:
        """Hide the channel from the user from this place of the log on."""
        self._append("leave", channel, user.encode())

    def forget(self, key: object) -> None:
        """Drop ``key`` from the cache, now and, if the unit fails, once more: it may have read its own change."""
        self.cache.pop(key, None)
        self._forgotten.append(key)

    def _append(self, kind: Kind, topic: Topic, payload: bytes, skip: int = 0, message: str = "") -> int:
        position = self._head + len(self._entries) + 1
        self._entries.append(Entry(position, kind, topic, payload, skip, message))
        return position

    def _protect(self) -> None:
        """Set the savepoint to which this unit alone can be undone, once."""
        if not self._savepoint:
            self._connection.execute("SAVEPOINT unit")
            self._savepoint = True

    def _flush(self) -> None:
        """Write the rows of earlier units, then, behind the savepoint, those of this one."""
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
            rows = [
                (e.position, "message", e.topic, b"", e.message) if e.message else (e.position, e.kind, e.topic, e.payload, None)
                for e in fresh
            ]
            self._connection.executemany(_INSERT_ENTRY, rows)
            self._written = end

    # The writer alone calls the methods that follow.

    def begin(self) -> None:
        """Begin the transaction of a batch.

        Raises:
            HeadMovedError: another process has written since the last batch.
            StoreError: the clock shows a time that no timestamp can hold.
        """
        # IMMEDIATE takes the write lock now: a transaction that reads first could fail at its first write.
        self._connection.execute("BEGIN IMMEDIATE")
        row = self._connection.execute("SELECT head FROM workspace").fetchone()
        self._head = row[0] if row else 0
        if self.expected_head is not None and self._head != self.expected_head:
            raise HeadMovedError(
                f"the log is at {self._head} and not at {self.expected_head}: another process writes to this database; "
                "stop both servers and start one"
            )
        self._now = self._clock.micros()
        if not 0 <= self._now <= LAST_MICROS:  # before a unit caches it as the newest timestamp of a channel
            raise StoreError(
                f"the clock of this machine must be between 0 and {LAST_MICROS // 1_000_000} seconds after 1970, got "
                f"{self._now // 1_000_000}: set the clock"
            )
        self._entries = []
        self._written = self._start = 0

    def attempt(self, unit: Unit[T]) -> T:
        """Run one unit and return its result; if it raises, undo its changes and raise on.

        Raises:
            sqlite3.OperationalError: the whole batch is undone; SQLite does that itself when the disk is full.
        """
        self._start = len(self._entries)
        try:
            result = unit(self)
        except BaseException as error:
            if self._connection.in_transaction:
                self._undo()
            elif not isinstance(error, sqlite3.OperationalError):
                raise sqlite3.OperationalError(f"the database has rolled the batch back: {error}") from error
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
            # The head is stored and not computed from the log, since retention may delete all its entries.
            self._connection.execute("UPDATE workspace SET head = ?", (entries[-1].position,))
        self._connection.execute("COMMIT")
        self.expected_head = self._head + len(entries)
        return entries

    def rollback(self) -> None:
        """Undo the whole batch and clear the cache."""
        self.cache.clear()
        self._rows.clear()
        self._settled.clear()
        self._forgotten.clear()
        self._savepoint = False
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
