"""The writer's and the readers' connections to PostgreSQL, in pipeline mode.

A batch of the writer costs two round trips. The first begins the transaction and locks the row of the workspace, so the
batches of all writers are one after another and positions are in commit order. The second carries all rows, the head of
the log and COMMIT. A unit with statements of its own adds a round trip for each of them.
"""

import contextlib
from collections.abc import Sequence
from typing import Final, LiteralString, NoReturn

import psycopg

from tautwire.server.store.engine import CommitLostError, Insert, StoreError
from tautwire.server.store.postgres.errors import first_line, is_lost, translate
from tautwire.server.store.postgres.values import Array, Connection, Row, statement
from tautwire.server.store.postgres.wire import flush, sever

CLOSE_PATIENCE: Final = 0.25
"""Seconds that PostgreSQL gets for a last word on a connection that is closed: a stop must end in time."""


class _Queries:
    """Queries on a connection in pipeline mode, with the errors of the port."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._exit = contextlib.ExitStack()  # never left: closing the connection ends the pipeline
        self._pipeline = self._exit.enter_context(connection.pipeline())

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""
        try:
            return self._connection.execute(statement(sql), arguments).fetchone()
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)

    def all(self, sql: str, *arguments: object) -> list[Row]:
        """Return all rows of a query."""
        try:
            return self._connection.execute(statement(sql), arguments).fetchall()
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _wait(self) -> None:
        """Wait until everything that was sent is answered."""
        # Pipeline.sync() waits for answers after a first try to write. What the socket did not take then would never
        # be written, so it is written here first. (Read in psycopg 3.3, generators.py, pipeline_communicate.)
        flush(self._connection)
        self._pipeline.sync()

    def _fail(self, error: Exception) -> NoReturn:
        """Raise the error of the port, with the pipeline ready for the next statement."""
        if not is_lost(self._connection, error):
            try:
                self._wait()  # what was sent behind the statement that failed is skipped up to here
            except psycopg.Error as later:
                if is_lost(self._connection, later):
                    error = later
        # Not "from error": what psycopg says besides, and a log would show, may hold what users wrote.
        raise translate(self._connection, error) from None


class PostgresReadSession(_Queries):
    """A connection that reads; see ``ReadSession``."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._is_interrupted = False
        self._is_open = False

    def begin(self) -> None:
        """Begin to see one state, that of the first query."""
        if self._is_interrupted:
            raise StoreError("the reader is closed")
        try:
            self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            self._is_open = True
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)

    def end(self) -> None:
        """Stop seeing one state."""
        if self._is_open and not self._connection.closed:
            self._is_open = False
            try:
                self._connection.execute("ROLLBACK")
                self._wait()
            except Exception as error:  # noqa: BLE001 - translated
                self._fail(error)

    def interrupt(self) -> None:
        """End the running query and refuse later transactions."""
        self._is_interrupted = True
        with contextlib.suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=CLOSE_PATIENCE)
        sever(self._connection)  # should PostgreSQL not answer at all


class PostgresSession(_Queries):
    """The writer's connection; see ``Session``."""

    guards_queries = True

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._is_open = False
        self._transaction = ""
        self._insertions: dict[Insert, tuple[bytes, Sequence[str]]] = {}

    def begin(self) -> int:
        """Begin a transaction and lock the row of the workspace."""
        try:
            self._connection.execute("BEGIN")
            self._is_open = True
            head = self._connection.execute("SELECT head FROM workspace FOR UPDATE")
            transaction = self._connection.execute("SELECT pg_current_xact_id()::text")
            row, named = head.fetchone(), transaction.fetchone()
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)
        self._transaction = named[0] if named else ""
        return int(row[0]) if row else 0

    def run(self, sql: str, *arguments: object) -> int:
        """Run a statement; return how many rows it changed."""
        try:
            cursor = self._connection.execute(statement(sql), arguments)
            self._wait()
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)
        return cursor.rowcount

    def insert(self, into: Insert, rows: Sequence[Sequence[object]]) -> None:
        """Queue an INSERT of the rows, an array for each column; it is sent with the next statement or the commit."""
        try:
            text, types = self._insertion(into)
            columns = zip(types, zip(*rows, strict=True), strict=True)
            self._connection.execute(text, [Array(type_, values) for type_, values in columns])
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)

    def mark(self) -> None:
        """Set the place to which ``undo`` goes back; sent with the next statement."""
        self._queue("SAVEPOINT unit")

    def undo(self) -> None:
        """Undo everything since ``mark``."""
        self._queue("ROLLBACK TO SAVEPOINT unit")
        self._sync()

    def release(self) -> None:
        """Forget the mark; sent with the next statement."""
        self._queue("RELEASE SAVEPOINT unit")

    def continue_numbers(self) -> None:
        """Set each sequence of an identity column behind the highest number."""
        columns = self.all(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND is_identity = 'YES'"
        )
        for table, column in columns:
            next_number = f"(SELECT coalesce(max({column}), 0) + 1 FROM {table})"
            self.one(f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), {next_number}, false)")

    def commit(self, head: int | None = None) -> None:
        """Send what is queued, the head and COMMIT, and wait for the answer."""
        connection = self._connection
        try:
            if head is not None:
                connection.execute("UPDATE workspace SET head = %s", [head])
            committed = connection.execute("COMMIT")
            self._is_open = False
            self._wait()
        except Exception as error:  # noqa: BLE001 - translated
            if isinstance(error, psycopg.Error) and is_lost(connection, error):
                raise CommitLostError(
                    f"the connection was lost during COMMIT ({first_line(error)})", self._transaction
                ) from None
            self._is_open = True  # a statement before COMMIT failed, so COMMIT was skipped
            self._fail(error)
        if committed.statusmessage != "COMMIT":
            raise StoreError(f"PostgreSQL answered COMMIT with {committed.statusmessage}")

    def rollback(self) -> None:
        """Undo the transaction."""
        if self._is_open:
            self._is_open = False
            self._queue("ROLLBACK")
            self._sync()

    @property
    def is_open(self) -> bool:
        """Whether a transaction is in progress on a live connection."""
        return self._is_open

    def _queue(self, text: LiteralString) -> None:
        try:
            self._connection.execute(text)
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)

    def _sync(self) -> None:
        try:
            self._wait()
        except Exception as error:  # noqa: BLE001 - translated
            self._fail(error)

    def _insertion(self, into: Insert) -> tuple[bytes, Sequence[str]]:
        """Return the statement that inserts arrays, and the types of its columns, which the catalogue knows."""
        known = self._insertions.get(into)
        if known is None:
            rows = self._connection.execute(
                "SELECT attname, atttypid::regtype::text FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0",
                [into.table],
            ).fetchall()
            types: dict[str, str] = {row[0]: row[1] for row in rows}
            wanted = [types[column] for column in into.columns]
            arrays = ", ".join(["%b"] * len(wanted))
            text = f"INSERT INTO {into.table} ({', '.join(into.columns)}) SELECT * FROM unnest({arrays})"
            known = self._insertions[into] = text.encode(), wanted
        return known

    def _fail(self, error: Exception) -> NoReturn:
        if is_lost(self._connection, error):
            self._is_open = False
        super()._fail(error)
