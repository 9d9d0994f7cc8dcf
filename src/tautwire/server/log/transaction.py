"""A unit's view of the database, inside the transaction of its batch. ``log.writer`` begins and ends it.

Theory. A batch is one transaction of many units, and a unit that raises must be undone alone. A mark for each unit
would do that, but costs two statements; posting, the hot path, needs none. So rows for ``insert`` and ``emit`` are
gathered in memory, where undoing them is free, and a mark is set only when a unit runs another statement.

What units remember between batches is valid as long as the log says so: each value belongs to a topic, and a change of
what it was made from leaves an entry on that topic. Entries of another writer, which ``begin`` finds, drop what is
remembered of their topics.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from tautwire.protocol.ids import LAST_MICROS
from tautwire.server.clock import Clock
from tautwire.server.log.entry import WORKSPACE, Entry, Kind, Topic
from tautwire.server.log.tail import EntriesMissingError, read_page
from tautwire.server.store.engine import Insert, Row, Session, StoreError
from tautwire.server.store.queries.log import ENTRY

T = TypeVar("T")
Unit = Callable[["Transaction"], T]


class LogCutError(StoreError):
    """Entries of the log are gone: the database was exchanged under the server, or another program changed it."""


class Transaction:
    """One unit's view of the database, inside the transaction of its batch.

    Rows for ``insert`` and ``emit`` are gathered and written together for the whole batch. Every other statement runs
    at once, after the gathered rows were written.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        self.seen: int | None = None
        """The head of the log up to which entries were written or read by this writer; None before the first batch."""
        self.session = session
        self._clock = clock
        self._memory: dict[str, dict[str, Any]] = {}  # what units remember, by topic and kind
        self._now = 0
        self._head = 0
        self._entries: list[Entry] = []  # of the whole batch
        self._written = 0  # how many of them are in the database
        self._start = 0  # the first one of this unit
        self._settled: dict[Insert, list[Sequence[object]]] = {}  # rows of earlier units
        self._rows: list[tuple[Insert, Sequence[object]]] = []  # rows of this unit
        self._is_marked = False
        self._forgotten: list[tuple[str, str]] = []

    @property
    def now(self) -> int:
        """The wall clock of the batch in microseconds."""
        return self._now

    @property
    def next_position(self) -> int:
        """The position of the entry that is appended next; an earlier unit of the batch may still be undone."""
        return self._head + len(self._entries) + 1

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""
        self._flush()
        if self.session.guards_queries:
            self._mark()
        return self.session.one(sql, *arguments)

    def all(self, sql: str, *arguments: object) -> Sequence[Row]:
        """Return all rows of a query."""
        self._flush()
        if self.session.guards_queries:
            self._mark()
        return self.session.all(sql, *arguments)

    def execute(self, sql: str, *arguments: object) -> int:
        """Run a statement that changes rows; return how many it changed."""
        self._flush()
        self._mark()
        return self.session.run(sql, *arguments)

    def insert(self, into: Insert, row: Sequence[object]) -> None:
        """Gather a row for an INSERT; the batch inserts its rows together.

        The unit has to make sure that the INSERT cannot fail: an error would hit the whole batch.
        """
        self._rows.append((into, row))

    def emit(self, topic: Topic, payload: bytes, *, skip: int = 0, message: str = "") -> int:
        """Append an event to the log; return its position. Connection number ``skip`` does not get it.

        With ``message``, the ts of a row of ``message`` whose channel is the topic, the log refers to that row.
        """
        return self._append("event", topic, payload, skip, message)

    def emit_to_app(self, app: str, payload: bytes) -> None:
        """Append an event for an app alone; what the app gets depends on its subscription, as for every event."""
        self._append("app", Topic(app), payload)

    def join(self, channel: Topic, user: str) -> None:
        """Make the channel visible to the user from this place of the log on."""
        self._append("join", channel, user.encode())

    def leave(self, channel: Topic, user: str) -> None:
        """Hide the channel from the user from this place of the log on."""
        self._append("leave", channel, user.encode())

    def note(self, kind: Literal["room", "auth"], topic: Topic, payload: bytes = b"") -> None:
        """Append an entry that is sent to no connection: caches and doors of every node follow it."""
        self._append(kind, topic, payload)

    def recall(self, what: str, topic: str) -> Any:
        """Return what units remember of a topic, None if that is nothing."""
        memory = self._memory.get(topic)
        return None if memory is None else memory.get(what)

    def remember(self, what: str, topic: str, value: object) -> None:
        """Keep a value for later units. A unit that changes what it was made from has to change it, or ``forget`` it,
        and has to leave an entry on the topic, from which other writers learn it.
        """
        self._memory.setdefault(topic, {})[what] = value

    def forget(self, what: str, topic: str) -> None:
        """Drop a value, now and, if the unit fails, once more: it may have remembered its own change."""
        self._drop(what, topic)
        self._forgotten.append((what, topic))

    def _drop(self, what: str, topic: str) -> None:
        memory = self._memory.get(topic)
        if memory is not None:
            memory.pop(what, None)
            if not memory:
                del self._memory[topic]

    def _append(self, kind: Kind, topic: Topic, payload: bytes, skip: int = 0, message: str = "") -> int:
        position = self._head + len(self._entries) + 1  # next_position without a call: this runs for every event
        self._entries.append(Entry(position, kind, topic, payload, skip, message))
        return position

    def _mark(self) -> None:
        """Set the mark to which this unit alone can be undone, once."""
        if not self._is_marked:
            self.session.mark()
            self._is_marked = True

    def _flush(self) -> None:
        """Write the rows of earlier units, then, behind the mark, those of this one."""
        for into, rows in self._settled.items():
            if rows:
                self.session.insert(into, rows)
                rows.clear()
        self._write_entries(self._start)
        if self._rows or self._written < len(self._entries):
            self._mark()
            for into, row in self._rows:
                self.session.insert(into, [row])
            self._rows.clear()
            self._write_entries(len(self._entries))

    def _write_entries(self, end: int) -> None:
        if self._written < end:
            fresh = self._entries[self._written : end]
            rows = [
                (e.position, "message", e.topic, b"", e.message)
                if e.message
                else (e.position, e.kind, e.topic, e.payload, None)
                for e in fresh
            ]
            self.session.insert(ENTRY, rows)
            self._written = end

    # The writer alone calls the methods that follow.

    def begin(self) -> tuple[list[Entry], bool]:
        """Begin the transaction of a batch.

        Returns:
            The entries that another writer has written since the last batch, at most a page of them, and whether that
            is all of them. If not, the transaction is ended: deliver the page and begin again.

        Raises:
            LogCutError: the log has lost its end.
            StoreError: the clock shows a time that no timestamp can hold.
        """
        self._head = self.session.begin()
        missed: list[Entry] = []
        if self.seen is not None and self._head != self.seen:
            missed = self._catch_up(self.seen)
            if self.seen != self._head:
                self.session.rollback()
                return missed, False
        self._now = self._clock.micros()
        if not 0 <= self._now <= LAST_MICROS:  # before a unit remembers it as the newest timestamp of a channel
            raise StoreError(
                f"the clock of this machine must be between 0 and {LAST_MICROS // 1_000_000} seconds after 1970, got "
                f"{self._now // 1_000_000}: set the clock"
            )
        self._entries = []
        self._written = self._start = 0
        return missed, True

    def _catch_up(self, seen: int) -> list[Entry]:
        """Read a page of the entries of another writer, and drop what is remembered of their topics."""
        if self._head < seen:
            raise LogCutError(
                f"the log ends at {self._head} and had reached {seen}: the database was exchanged; restart the server"
            )
        try:
            missed = read_page(self.session, after=seen, before=self._head + 1)
        except EntriesMissingError as error:
            raise LogCutError(f"the log has reached {self._head}, but {error}; restart the server") from error
        for topic in {entry.topic for entry in missed}:
            self._memory.pop(topic, None)
        self._memory.pop(WORKSPACE, None)
        self.seen = missed[-1].position
        return missed

    def attempt(self, unit: Unit[T]) -> T:
        """Run one unit and return its result; if it raises, undo its changes and raise on.

        Raises:
            StoreError: the whole batch is undone; a database may do that itself, as SQLite does when the disk is full.
        """
        self._start = len(self._entries)
        try:
            result = unit(self)
        except BaseException as error:
            if self.session.is_open:
                self._undo()
            elif not isinstance(error, StoreError):
                raise StoreError(f"the database has rolled the batch back: {error}") from error
            raise
        self._settle()
        return result

    def _settle(self) -> None:
        for into, row in self._rows:
            rows = self._settled.get(into)
            if rows is None:
                rows = self._settled[into] = []
            rows.append(row)
        self._rows.clear()
        self._forgotten.clear()
        self._release()

    def _undo(self) -> None:
        if self._is_marked:
            self.session.undo()
        self._rows.clear()
        del self._entries[self._start :]
        self._written = min(self._written, self._start)
        for what, topic in self._forgotten:
            self._drop(what, topic)
        self._forgotten.clear()
        self._release()

    def _release(self) -> None:
        if self._is_marked:
            self.session.release()
            self._is_marked = False

    def commit(self) -> list[Entry]:
        """Make the batch durable; return its log entries.

        Raises:
            CommitLostError: it may be durable. Ask the engine, and call ``committed`` if it is.
        """
        self._start = len(self._entries)
        self._flush()
        # The head is stored and not computed from the log, since retention may delete all its entries.
        self.session.commit(self._entries[-1].position if self._entries else None)
        return self.committed()

    def committed(self) -> list[Entry]:
        """Return the log entries of the batch, which is durable."""
        self.seen = self._head + len(self._entries)
        return self._entries

    def rollback(self) -> None:
        """Undo the whole batch and forget what units remember."""
        self.reset()
        self.session.rollback()

    def reset(self) -> None:
        """Forget the batch, which the database has undone, and what units remember."""
        self._memory.clear()
        self._rows.clear()
        self._settled.clear()
        self._forgotten.clear()
        self._is_marked = False
