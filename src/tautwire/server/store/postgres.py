"""The PostgreSQL adapter: one workspace in a schema of a database, over psycopg 3 in pipeline mode.

A batch of the writer costs two round trips. The first begins the transaction and locks the row of the workspace, so the
batches of all writers are one after another and positions are in commit order. The second carries all rows, the head of
the log and COMMIT. A unit with statements of its own adds a round trip for each of them.

What differs from SQLite, and is translated here: marks of values (``?``), the way many rows are inserted (arrays and
``unnest``), joined text (``string_agg``), NUL, which text cannot hold in PostgreSQL, and a failed query, which ends the
transaction unless there is a mark.

One server at a time serves a workspace: it holds an advisory lock on a connection of its own. Other writers do no harm
(``log.transaction`` finds their entries), but presence and typing would not reach the connections of another server.
"""

import contextlib
import logging
import os
import re
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Any, ClassVar, Final, LiteralString, NamedTuple, NoReturn, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.string import StrDumperUnknown

from tautwire.protocol.errors import ConfigError
from tautwire.server.store.directory_lock import DirectoryLock
from tautwire.server.store.engine import (
    CommitLostError,
    DamagedError,
    DisconnectedError,
    Durability,
    Insert,
    StatementError,
    StoreError,
)
from tautwire.server.store.migrations import scripts

log = logging.getLogger("tautwire.server.store")
# psycopg warns about each pipeline that ends with its connection; what is lost is reported here.
logging.getLogger("psycopg").setLevel(logging.ERROR)

T = TypeVar("T")

OLDEST: Final = 130_000
"""The oldest PostgreSQL: it names transactions (pg_current_xact_id) since version 13."""

CONNECT_TIMEOUT: Final = 5
"""Seconds to connect."""
SILENCE: Final = 15_000
"""Milliseconds after which a peer that does not answer is given up, on both sides: the row of the workspace must not
stay locked by a server that has vanished."""
LOCK_TIMEOUT: Final = 5_000
"""Milliseconds that a batch waits for another writer."""
LOCK_INTERVAL: Final = 1.0
"""Seconds between two checks that this server still holds the workspace."""
LOCK_PATIENCE: Final = 3.0
"""Seconds that a start waits for the workspace: PostgreSQL sees the end of a killed server a moment later."""
LOCK_PAUSE: Final = 0.05
"""Seconds between two tries."""
CLOSE_PATIENCE: Final = 0.25
"""Seconds that PostgreSQL gets for a last word on a connection that is closed."""
LOCK_CLASS: Final = 0x7461_7574
"""The first number of tautwire's advisory locks; the second is made from the schema."""

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}", re.ASCII)
_DAMAGED: Final = ("XX001", "XX002")
_STATEMENT: Final = ("21", "22", "23", "42", "0A")
"""Classes of SQLSTATE that are errors of a statement or a value.
Source: PostgreSQL's manual, appendix "PostgreSQL Error Codes"."""
_GONE: Final = ("57P", "08")
"""Beginnings of SQLSTATE with which the server ends a connection or refuses it while it starts."""


class Address(NamedTuple):
    """Where a workspace is: a database, and a schema in it."""

    url: str
    schema: str

    @property
    def name(self) -> str:
        """The address for people, without user and password."""
        parts = urlsplit(self.url)
        host = parts.hostname or dict(parse_qsl(parts.query)).get("host", "localhost")
        port = f":{parts.port}" if parts.port else ""
        return f"PostgreSQL at {host}{port}, database {parts.path.strip('/')}, schema {self.schema}"


def read_address(url: str) -> Address:
    """Return the address in a URL; the parameter ``schema`` is ours, ``tautwire`` without it.

    Raises:
        ConfigError: it is no URL of PostgreSQL. The text does not repeat it, since it may hold a password.
    """
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        schema = query.pop("schema", "tautwire")
        plain = f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{urlencode(query)}" if query else "")
        psycopg.conninfo.conninfo_to_dict(plain)
        _ = parts.port  # raises if it is no number
    except (ValueError, psycopg.Error):
        raise ConfigError(
            "the URL of the database cannot be read: it must look like postgresql://NAME@HOST:5432/DATABASE"
        ) from None
    if not _NAME.fullmatch(schema):
        raise ConfigError(
            f"the schema of the database must be lower-case letters, digits and underscores, got {schema[:80]!r}"
        )
    return Address(plain, schema)


class PostgresEngine:
    """A workspace in a schema of a PostgreSQL database, held by this server until ``close``.

    Args:
        directory: the data directory of the server; without one, the workspace is used beside the server that holds it.

    Raises:
        ConfigError: the URL cannot be read.
        StoreError: the database cannot be reached or used, or another server holds the workspace.
    """

    keeps_to_itself = False

    def __init__(self, url: str, directory: Path | None = None) -> None:
        self._address = read_address(url)
        self.name = self._address.name
        self._lock = None if directory is None else DirectoryLock(directory)
        self._holder: Connection | None = None
        self._checking = Lock()
        self._checked_at = 0.0
        self._problem: str | None = None  # found by the last check
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def session(self, durability: Durability = "full") -> "PostgresSession":
        """Connect the writer; see ``Engine``."""
        return PostgresSession(
            self._connect(
                lock_timeout=LOCK_TIMEOUT,
                idle_in_transaction_session_timeout=SILENCE,
                **({"synchronous_commit": "off"} if durability == "normal" else {}),
            )
        )

    def read_session(self) -> "PostgresReadSession":
        """Connect a thread that reads; see ``Engine``."""
        return PostgresReadSession(self._connect(default_transaction_read_only="on"))

    def was_committed(self, transaction: str) -> bool:
        """Return whether a transaction is stored; see ``Engine``.

        Its number does not prove it. After a crash of PostgreSQL the numbers of transactions that left no trace on disk
        are given again, perhaps to another application. So the row of the workspace has to show that the transaction,
        or a later one, has locked it.
        """
        connection = self._connect()
        try:
            state, *lockers = _guarded(connection, lambda: _trace(connection, transaction))
        finally:
            connection.close()
        if state not in ("committed", "aborted"):  # the old connection has not seen yet that its peer is gone
            raise StoreError(f"transaction {transaction} is {state or 'too old'}")
        return state == "committed" and any(_is_since(locker, int(transaction)) for locker in lockers)

    def problem(self) -> str | None:
        """Return a problem if another server has taken the workspace over while the database was away."""
        if self._lock is None:
            return None
        with self._checking:  # the writer and the watch ask
            if monotonic() >= self._checked_at + LOCK_INTERVAL:
                self._problem = self._check_hold()
                self._checked_at = monotonic()
            return self._problem

    def close(self) -> None:
        """Give the workspace free for another server."""
        holder, self._holder = self._holder, None
        if holder is not None:
            with contextlib.suppress(psycopg.Error):
                # Said, so that the next server need not wait for the end of this process in PostgreSQL.
                holder.pgconn.send_query(b"SELECT pg_advisory_unlock_all()")
                holder.pgconn.flush()
                _is_readable(holder, CLOSE_PATIENCE)
            holder.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _open(self) -> None:
        connection = self._connect()
        try:
            _check(connection)
            if self._lock is not None:
                self._hold(connection, LOCK_PATIENCE)
            _guarded(connection, lambda: _migrate(connection, self._address.schema))
        finally:
            if self._holder is None:
                connection.close()

    def _check_hold(self) -> str | None:
        """Take the lock again if its connection has ended; return why that is not possible."""
        if self._holder is not None:
            if _is_alive(self._holder):
                return None
            self._holder.close()
            self._holder = None
        with contextlib.suppress(DisconnectedError):  # the batch reports that
            connection = self._connect()
            try:
                self._hold(connection, 0)
            except StoreError as error:
                connection.close()
                return str(error)
        return None

    def _connect(self, **settings: str | int) -> "Connection":
        settings = {"search_path": self._address.schema, "client_min_messages": "warning", **settings}
        given = psycopg.conninfo.conninfo_to_dict(self._address.url).get("options") or ""
        options = " ".join([str(given), *(f"-c {name}={value}" for name, value in settings.items())])
        try:
            connection: Connection = psycopg.connect(
                self._address.url, autocommit=True, row_factory=_rows, options=options,
                connect_timeout=CONNECT_TIMEOUT, tcp_user_timeout=SILENCE, keepalives_idle=5, keepalives_interval=2,
                application_name="tautwire",
            )  # fmt: skip
        except psycopg.Error as error:
            raise DisconnectedError(f"{self.name} cannot be reached: {_first_line(error)}") from None
        connection.adapters.register_dumper(str, _TextDumper)
        connection.adapters.register_dumper(Array, _ArrayDumper)
        return connection

    def _hold(self, connection: "Connection", patience: float) -> None:
        """Take the lock of the workspace on this connection, which is kept."""
        end = monotonic() + patience
        while not _guarded(connection, lambda: _try_lock(connection, self._address.schema)):
            if monotonic() >= end:
                raise StoreError(
                    f"another server uses {self.name}: stop it, or name another schema with ?schema=NAME at the end of "
                    "the URL"
                )
            time.sleep(LOCK_PAUSE)
        self._holder = connection


class Row(tuple[Any, ...]):
    """A row: values by place or by name."""

    __slots__ = ()
    columns: ClassVar[dict[str, int]] = {}

    def __getitem__(self, key: Any) -> Any:
        """Return a value."""
        return tuple.__getitem__(self, self.columns[key] if type(key) is str else key)

    def keys(self) -> Sequence[str]:
        """Return the names of the columns, so that ``dict(row)`` works as with SQLite."""
        return tuple(self.columns)


Connection = psycopg.Connection[Row]


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
        wire = self._connection.pgconn
        while wire.flush():
            if _poll(self._connection, select.POLLIN | select.POLLOUT) & select.POLLIN:
                wire.consume_input()
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
        _sever(self._connection)  # should PostgreSQL not answer at all


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
                    f"the connection was lost during COMMIT ({_first_line(error)})", self._transaction
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


class Array:
    """The values of one column, which ``unnest`` makes rows of."""

    __slots__ = ("type", "values")

    def __init__(self, type_: str, values: Sequence[Any]) -> None:
        self.type = type_
        self.values = values


def _text(value: str) -> bytes:
    """Return text without NUL, which PostgreSQL cannot hold: the replacement character stands for it."""
    return value.encode() if "\0" not in value else value.replace("\0", "\ufffd").encode()


class _ArrayType(NamedTuple):
    oid: int
    """Of the array."""
    element: int
    """Of its elements."""
    encode: Callable[[Any], bytes]


_ARRAYS: Final = {
    "text": _ArrayType(1009, 25, _text),
    "bytea": _ArrayType(1001, 17, bytes),
    "bigint": _ArrayType(1016, 20, struct.Struct("!q").pack),
    "boolean": _ArrayType(1000, 16, lambda value: b"\1" if value else b"\0"),
}
"""How the columns of our tables are sent in binary.
Source: PostgreSQL's array_recv (src/backend/utils/adt/arrayfuncs.c) and pg_type.dat."""

_ARRAY_HEAD: Final = struct.Struct("!iiIii")
_LENGTH: Final = struct.Struct("!i").pack
_NULL: Final = _LENGTH(-1)


def encode_array(array: Array) -> bytes:
    """Return the binary form of a one-dimensional array: a third of the time that psycopg's own way takes."""
    _, element, encode = _ARRAYS[array.type]
    parts = [b""]
    for value in array.values:
        if value is None:
            parts.append(_NULL)
        else:
            data = encode(value)
            parts += (_LENGTH(len(data)), data)
    has_null = _NULL in parts  # an element of these bytes is read rightly as well: the flag is a hint
    parts[0] = _ARRAY_HEAD.pack(1, has_null, element, len(array.values), 1)
    return b"".join(parts)


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        return encode_array(obj)

    def get_key(self, obj: Array, format: Any) -> Any:  # noqa: A002 - the name is psycopg's
        return (self.cls, obj.type)

    def upgrade(self, obj: Array, format: Any) -> "_ArrayDumper":  # noqa: A002
        dumper = type(self)(self.cls)
        dumper.oid = _ARRAYS[obj.type].oid
        return dumper


class _TextDumper(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(obj if "\0" not in obj else obj.replace("\0", "\ufffd"))


@lru_cache(maxsize=1_000)
def statement(text: str) -> bytes:
    """Return a statement of the rules in the words of psycopg and PostgreSQL."""
    text = text.replace("%", "%%").replace("?", "%s")
    return re.sub(r"group_concat\((\w+)\)", r"string_agg(\1, ',')", text).encode()


_rows_by_columns: dict[tuple[str, ...], type[Row]] = {}


def _rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Row]:
    """Make the rows of an answer; one class for each list of columns."""
    result = cursor.pgresult
    if result is None:
        return Row
    names = tuple((result.fname(number) or b"").decode() for number in range(result.nfields))
    made = _rows_by_columns.get(names)
    if made is None:
        columns = {name: number for number, name in enumerate(names)}
        made = _rows_by_columns[names] = type("Row", (Row,), {"__slots__": (), "columns": columns})
    return made


def is_lost(connection: Connection, error: Exception) -> bool:
    """Whether an error means that the connection is of no use any more."""
    if connection.closed or connection.broken:
        return True
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_GONE)
    return isinstance(error, psycopg.OperationalError)


def translate(connection: Connection, error: Exception) -> Exception:
    """Return the error of the port for an error of psycopg."""
    if isinstance(error, UnicodeEncodeError):
        return StatementError(str(error))
    if not isinstance(error, psycopg.Error):
        return error
    text = _first_line(error)
    if is_lost(connection, error):
        return DisconnectedError(f"the connection to PostgreSQL is lost: {text}")
    state = error.sqlstate or ""
    if state in _DAMAGED:
        return DamagedError(text)
    if state.startswith(_STATEMENT) or isinstance(error, psycopg.DataError):
        return StatementError(text)
    return StoreError(text)


def _guarded(connection: Connection, step: Callable[[], T]) -> T:
    """Run a step on a connection that is not in pipeline mode, with the errors of the port."""
    try:
        return step()
    except psycopg.Error as error:
        raise translate(connection, error) from None


def _first_line(error: BaseException) -> str:
    """Return the first line of a message: the others repeat the statement, which may hold what users wrote."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _poll(connection: Connection, events: int, timeout: float | None = None) -> int:
    """Wait for events of a connection's socket; return those that came, 0 after ``timeout`` seconds."""
    poll = select.poll()  # select.select() refuses files beyond number 1,023, which a server with many clients has
    poll.register(connection.pgconn.socket, events)
    found = poll.poll(None if timeout is None else timeout * 1_000)
    return found[0][1] if found else 0


def _is_readable(connection: Connection, timeout: float) -> bool:
    return _poll(connection, select.POLLIN, timeout) != 0


def _is_alive(connection: Connection) -> bool:
    """Whether the other side has not closed an idle connection, as far as is known here. It does not wait."""
    try:
        while _is_readable(connection, 0):
            connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return True


def _sever(connection: Connection) -> None:
    """End the socket of a connection under a thread that waits for it; the thread gets an error."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


def _try_lock(connection: Connection, schema: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCK_CLASS, schema]).fetchone()
    return bool(row and row[0])


def _trace(connection: Connection, transaction: str) -> Sequence[Any]:
    """Return the state of a transaction, and those that made and locked the row of the workspace.

    Source: PostgreSQL's manual, "Transaction ID and Snapshot Information Functions" and "System Columns".
    """
    try:
        row = connection.execute("SELECT pg_xact_status(%s::xid8)", [transaction]).fetchone()
    except psycopg.errors.InvalidParameterValue:  # it is in the future, so a crash took all traces of it
        return ["aborted"]
    row_of_workspace = connection.execute("SELECT xmin::text::bigint, xmax::text::bigint FROM workspace").fetchone()
    return [*(row or [None]), *(row_of_workspace or [])]


def _is_since(number: int, transaction: int) -> bool:
    """Whether the transaction that a row shows, by the lower half of its number, is this one or a later one."""
    is_one = number != 0
    return is_one and (number - transaction) % 2**32 < 2**31


def _check(connection: Connection) -> None:
    found = connection.info.server_version
    if found < OLDEST:
        raise StoreError(f"PostgreSQL must be at least {OLDEST // 10_000}, got {found // 10_000}: use a newer one")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(f"the encoding of the database must be UTF8, got {encoding}: createdb --encoding=UTF8")


def _migrate(connection: Connection, schema: str) -> None:
    """Bring the schema up to date, each step in a transaction of its own.

    Raises:
        StoreError: the database belongs to a newer tautwire.
    """
    if connection.execute("SELECT to_regnamespace(%s)", [schema]).fetchone() == (None,):
        connection.execute(f"CREATE SCHEMA {schema}".encode())  # the name was checked
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    for script in scripts("postgres", after=(row and row[0]) or 0):
        with connection.transaction():
            connection.execute(script.text.encode())
            connection.execute("DELETE FROM schema_version")
            connection.execute("INSERT INTO schema_version VALUES (%s)", [script.number])
