"""The port of a database: what the server needs of it. An adapter for each database is a module beside this one.

An ``Engine`` gives out a ``Session`` for the writer's thread and a ``ReadSession`` for each thread that reads. Adapters
know no rules of the server, and the rules know no database: SQL is written once, in the words that every database of
the project has. ``?`` marks a value. An adapter translates what differs; its module says what.

Guarantees of every adapter, tested by one suite (tests/store):

- A commit that returned is durable and is seen by every read that begins afterwards.
- ``begin`` returns the head of the log, and no other session can move it until the transaction ends. So positions are
  in commit order, whatever writes.
- A read session sees one state of the database between ``begin`` and ``end``.
- After ``undo`` the transaction is as it was at ``mark``, also after a statement that failed.
- Errors are of three kinds: ``StatementError`` (this statement; the transaction goes on after ``undo``), ``StoreError``
  (the database; the transaction is lost), and ``CommitLostError`` (nothing is known about the commit until
  ``was_committed`` is asked).
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from tautwire.protocol.errors import TautwireError

Durability = Literal["full", "normal"]


class StoreError(TautwireError):
    """The database cannot be read or written; the text says why and, where possible, what to do."""


class DamagedError(StoreError):
    """The database is damaged: what it answers cannot be trusted."""


class DisconnectedError(StoreError):
    """The connection to the database is lost, before COMMIT was sent: nothing of the transaction is stored."""


class CommitLostError(StoreError):
    """The connection was lost after COMMIT was sent: the transaction may or may not be stored.

    Args:
        transaction: its id, for ``Engine.was_committed``.
    """

    def __init__(self, text: str, transaction: str) -> None:
        super().__init__(text)
        self.transaction = transaction


class StatementError(TautwireError):
    """A statement cannot be carried out as it is: a constraint, a wrong value, wrong SQL. The database is well."""


class Row(Protocol):
    """A row of an answer: values by place or by name of the column, and in order."""

    def __getitem__(self, key: Any, /) -> Any:
        """Return the value of a column, by its place or its name."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the values."""

    def __len__(self) -> int:
        """Return the number of columns."""


class Insert(NamedTuple):
    """An INSERT of many rows, which an adapter writes in the fastest way that its database has."""

    table: str
    columns: tuple[str, ...]


class Query(Protocol):
    """Queries of the database: in a snapshot of a reader or in a transaction of the writer."""

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""

    def all(self, sql: str, *arguments: object) -> Sequence[Row]:
        """Return all rows of a query."""


class ReadSession(Query, Protocol):
    """A connection that reads; one thread at a time uses it."""

    def begin(self) -> None:
        """Begin to see one state of the database; until then each query sees the newest."""

    def end(self) -> None:
        """Stop seeing one state."""

    def interrupt(self) -> None:
        """End the query that another thread runs on it, and refuse later ones, with ``StoreError``."""

    def close(self) -> None:
        """Close the connection."""


class Session(Query, Protocol):
    """The writer's connection; one thread uses it. All methods but ``begin`` and ``close`` need a transaction."""

    guards_queries: bool
    """Whether a query that fails ends the transaction too, unless ``mark`` was called before."""

    def begin(self) -> int:
        """Begin a transaction, and return the head of the log, 0 without a workspace. Others wait until it ends.

        Raises:
            StoreError: the database cannot be reached or is in use.
        """

    def run(self, sql: str, *arguments: object) -> int:
        """Run a statement that changes rows; return how many it changed."""

    def insert(self, into: Insert, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows. A row that cannot be inserted may fail the whole transaction, now or at the commit."""

    def mark(self) -> None:
        """Set the place to which ``undo`` goes back."""

    def undo(self) -> None:
        """Undo everything since ``mark``; the mark stays."""

    def release(self) -> None:
        """Forget the mark."""

    def continue_numbers(self) -> None:
        """Let generated numbers go on behind the highest: rows were inserted with numbers of their own."""

    def commit(self, head: int | None = None) -> None:
        """Store ``head``, if it moved, as the head of the log, and make the transaction durable.

        Raises:
            StoreError: nothing of it is stored.
            CommitLostError: it may be stored.
        """

    def rollback(self) -> None:
        """Undo the transaction; no effect without one."""

    @property
    def is_open(self) -> bool:
        """Whether a transaction is in progress: a database may end one itself after an error."""

    def close(self) -> None:
        """Close the connection; what is not committed is undone."""


class Engine(Protocol):
    """A database with one workspace, opened by one server at a time, with its schema up to date.

    One that is opened to read only is opened beside the server that holds it, with the schema that it has: it gives out
    read sessions and changes nothing.
    """

    name: str
    """Which database it is, for people and logs; without secrets."""
    keeps_to_itself: bool
    """Whether no other process can write to it while it is open."""

    def session(self, durability: Durability = "full") -> Session:
        """Connect the writer. With ``normal``, commits survive a crash of the process, not of the machine."""

    def read_session(self) -> ReadSession:
        """Connect a thread that reads."""

    def schema_version(self) -> int:
        """Return the version of the schema, 0 if the database has none."""

    def examine(self) -> Sequence[str]:
        """Return what the database's own check finds wrong, a sentence each. It may read the whole database."""

    def was_committed(self, transaction: str) -> bool:
        """Return whether a transaction of which ``CommitLostError`` was raised is stored.

        Raises:
            StoreError: the database does not answer.
        """

    def problem(self) -> str | None:
        """Return why changes would be lost or refused although the connection works, None if they would not.

        It is asked before each batch and must cost microseconds.
        """

    def close(self) -> None:
        """Give the database free for another server."""
