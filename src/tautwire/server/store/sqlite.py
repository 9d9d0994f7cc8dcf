"""The SQLite adapter: a data directory, opened by one server at a time.

The database is the file ``tautwire.db``, with a write-ahead log beside it.

Why write-ahead log: readers see a consistent state and never wait for the writer, and a commit is one append and one
flush. Why ``synchronous=FULL``: in this mode SQLite flushes that append at each commit, so an ack means on disk.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from time import monotonic
from typing import Final, Self, TypeVar
from urllib.parse import quote

from tautwire.server.store.directory_lock import DirectoryLock
from tautwire.server.store.engine import DamagedError, Durability, Insert, StatementError, StoreError
from tautwire.server.store.migrations import scripts

log = logging.getLogger("tautwire.server.store")

T = TypeVar("T")
Row = sqlite3.Row

VERSION: Final = sqlite3.sqlite_version
"""The version of SQLite."""
FILE: Final = "tautwire.db"

CHECK_PATIENCE: Final = 5.0
"""Seconds that the check of the database may take after an unclean stop."""

LOCK_PATIENCE: Final = 5_000
"""Milliseconds that a statement waits for a lock of another process: a backup, or a person with a shell."""

MAX_FOUND: Final = 20
"""Faults that a check reports: a damaged database can have millions."""

INTERRUPT_STEPS: Final = 100_000
"""Steps of SQLite's virtual machine, a few milliseconds, between two checks whether a read has to end."""

_UNIT_ERRORS: Final = (
    sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError, OverflowError,
    UnicodeEncodeError,
)  # fmt: skip
"""Errors of a statement or a value; every other error of SQLite is one of the disk or the database."""

_VERSIONS: Final = slice(18, 20)
_WITH_WAL: Final = b"\x02\x02"
"""What the versions in the head of a file are if it is used with a write-ahead log.
Source: https://www.sqlite.org/fileformat2.html, "The Database Header"."""

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteEngine:
    """A data directory, locked for this process until ``close``.

    Args:
        read_only: read its database beside the server that may hold it; see ``Engine``.

    Raises:
        StoreError: it cannot be created, another server uses it, or its database cannot be opened.
    """

    keeps_to_itself = True

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self.path = directory / FILE
        self.directory = directory
        self.name = str(self.path)
        self._lock: DirectoryLock | None = None
        self._is_read_only = read_only
        if read_only:
            if not self.path.exists():
                raise StoreError(
                    f"there is no database {self.path}: give the data directory of a workspace with --data"
                )
            scripts("sqlite", after=self.schema_version())  # refuses one of a newer version
            return
        self._lock = DirectoryLock(directory)
        try:
            self._file = _make_private(self.path)
            self._longest = 0  # the size in bytes that was last seen
            unfinished = _size(self.path.with_name(FILE + "-wal"))
            with contextlib.closing(self.connect()) as connection:
                if unfinished:
                    _check(connection, unfinished)
                migrate(connection)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreError(f"{self.path} cannot be opened: {error}") from error
        except BaseException:
            self.close()
            raise

    def connect(self, *, durability: Durability = "full", read_only: bool = False) -> sqlite3.Connection:
        """Return a new connection in autocommit mode; one thread at a time may use it."""
        return connect(self.path, durability=durability, read_only=read_only)

    def session(self, durability: Durability = "full") -> "SqliteSession":
        """Connect the writer; see ``Engine``."""
        return SqliteSession(_translated(lambda: self.connect(durability=durability)))

    def read_session(self) -> "SqliteReadSession":
        """Connect a thread that reads; see ``Engine``."""
        if self._is_read_only:
            return open_file(self.path)
        return SqliteReadSession(_translated(lambda: self.connect(read_only=True)))

    def schema_version(self) -> int:
        """Return the version of the schema; see ``Engine``."""
        with contextlib.closing(self.read_session()) as session:
            row = session.one("PRAGMA user_version")
        return row[0] if row else 0

    def examine(self) -> list[str]:
        """Check all pages, indexes and references between tables; see ``Engine``."""
        with contextlib.closing(self.read_session()) as session:
            found = [str(row[0]) for row in session.all(f"PRAGMA integrity_check({MAX_FOUND})")]
            if found == ["ok"]:
                rows = session.all("PRAGMA foreign_key_check")[:MAX_FOUND]
                found = [f"a row of {row[0]} refers to a row of {row[2]} that is missing" for row in rows]
        return found

    def was_committed(self, transaction: str) -> bool:
        """Never asked: SQLite says of each commit whether it was stored."""
        raise StoreError(f"SQLite has no transaction {transaction!r} of which the end is not known")

    def problem(self) -> str | None:
        """Return a problem if the path no longer leads to the opened file, whole: changes would be lost.

        SQLite never makes the file shorter, since the server never vacuums it.
        """
        with contextlib.suppress(OSError):
            found = self.path.stat()
            if (found.st_dev, found.st_ino) == self._file and found.st_size >= self._longest:
                self._longest = found.st_size
                return None
        return f"{self.path} was removed or replaced, or cut short: put it back, or restore a backup"

    def close(self) -> None:
        """Unlock the directory."""
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Queries:
    """Queries on a connection, with the errors of the port."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""
        try:
            row: Row | None = self.connection.execute(sql, arguments).fetchone()
        except Exception as error:
            raise translate(error) from error
        return row

    def all(self, sql: str, *arguments: object) -> list[Row]:
        """Return all rows of a query."""
        try:
            return self.connection.execute(sql, arguments).fetchall()
        except Exception as error:
            raise translate(error) from error

    def close(self) -> None:
        """Close the connection."""
        _translated(self.connection.close)


class SqliteReadSession(_Queries):
    """A connection that reads; see ``ReadSession``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._is_interrupted = False
        connection.set_progress_handler(lambda: self._is_interrupted, INTERRUPT_STEPS)

    @property
    def version(self) -> int:
        """The number of the newest step that its schema has."""
        return int(self.all("PRAGMA user_version")[0][0])

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return int(self.all("PRAGMA page_count")[0][0] * self.all("PRAGMA page_size")[0][0])

    def begin(self) -> None:
        """Begin to see one state: without a transaction each query would see the newest commit."""
        _translated(lambda: self.connection.execute("BEGIN"))

    def end(self) -> None:
        """Stop seeing one state."""
        if self.connection.in_transaction:  # SQLite ends it itself after some errors
            _translated(lambda: self.connection.execute("ROLLBACK"))

    def interrupt(self) -> None:
        """End the running query and refuse later ones that take longer than a few milliseconds."""
        self._is_interrupted = True


class SqliteSession(_Queries):
    """The writer's connection; see ``Session``."""

    guards_queries = False

    def begin(self) -> int:
        """Begin a transaction. IMMEDIATE takes the lock now: one that reads first could fail at its first write."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            row = self.connection.execute("SELECT head FROM workspace").fetchone()
        except Exception as error:
            raise translate(error) from error
        return row[0] if row else 0

    def run(self, sql: str, *arguments: object) -> int:
        """Run a statement; return how many rows it changed."""
        try:
            return self.connection.execute(sql, arguments).rowcount
        except Exception as error:
            raise translate(error) from error

    def insert(self, into: Insert, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows."""
        try:
            self.connection.executemany(insert_statement(into), rows)
        except Exception as error:
            raise translate(error) from error

    def mark(self) -> None:
        """Set the place to which ``undo`` goes back."""
        self.run("SAVEPOINT unit")

    def undo(self) -> None:
        """Undo everything since ``mark``."""
        self.run("ROLLBACK TO unit")

    def release(self) -> None:
        """Forget the mark."""
        self.run("RELEASE unit")

    def continue_numbers(self) -> None:
        """Do nothing: SQLite makes a number from the highest."""

    def commit(self, head: int | None = None) -> None:
        """Store the head and make the transaction durable."""
        if head is not None:
            self.run("UPDATE workspace SET head = ?", head)
        self.run("COMMIT")

    def rollback(self) -> None:
        """Undo the transaction."""
        if self.connection.in_transaction:
            self.run("ROLLBACK")

    @property
    def is_open(self) -> bool:
        """Whether a transaction is in progress: SQLite ends it itself when the disk is full."""
        return self.connection.in_transaction


@lru_cache(maxsize=64)
def insert_statement(into: Insert) -> str:
    """Return the INSERT of one row."""
    return f"INSERT INTO {into.table} ({', '.join(into.columns)}) VALUES ({', '.join('?' * len(into.columns))})"


def connect(path: Path, *, durability: Durability = "full", read_only: bool = False) -> sqlite3.Connection:
    """Return a new connection to a database file, with the settings of the server, in autocommit mode.

    With ``full`` every commit is flushed to disk; with ``normal`` commits survive a crash of the process, not of the
    machine.
    """
    # Autocommit: transactions begin with an explicit BEGIN, also those that only read.
    # A reader must not make a file: an empty one would take the place of a database that was moved away.
    where = f"{path.absolute().as_uri()}?mode={'rw' if read_only else 'rwc'}"
    connection = sqlite3.connect(where, uri=True, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.row_factory = Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL" if durability == "full" else "PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {LOCK_PATIENCE}")
    connection.execute("PRAGMA cache_size = -16384")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def open_file(path: Path, *, is_immutable: bool = False) -> SqliteReadSession:
    """Open a database file to read it and never change it.

    Args:
        is_immutable: no process writes to the file, and no file beside it belongs to it.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if is_immutable else ''}"
    connection = _translated(lambda: sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False))
    connection.row_factory = Row
    session = SqliteReadSession(connection)
    session.all(f"PRAGMA busy_timeout = {LOCK_PATIENCE}")
    session.all("PRAGMA trusted_schema = OFF")  # what is in a strange file does not run functions
    return session


def create_file(path: Path | None, version: int | None = None) -> SqliteSession:
    """Open an empty file, or a database in memory, and give it the schema of a version, the newest without one.

    It is for many rows at once: there is no journal and no flush, so after an error or a crash the file is of no use.
    """

    def create() -> SqliteSession:
        connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        connection.row_factory = Row
        for setting in ("journal_mode = OFF", "synchronous = OFF", "foreign_keys = ON", "cache_size = -16384"):
            connection.execute(f"PRAGMA {setting}")
        migrate(connection, version)
        return SqliteSession(connection)

    return _translated(create)


def open_image(image: bytes | None = None) -> SqliteSession:
    """Open a database in memory, with the newest schema if it does not come from ``image``."""
    return create_file(None) if image is None else SqliteSession(_opened(image))


def _opened(image: bytes) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.row_factory = Row
    connection.deserialize(image)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def make_image(session: SqliteSession) -> bytes:
    """Return the file of a database in memory, marked as one with a write-ahead log: to mark it later costs a flush."""
    image = bytearray(session.connection.serialize())
    image[_VERSIONS] = _WITH_WAL
    return bytes(image)


def copy_file(session: SqliteReadSession, path: Path) -> None:
    """Copy the database of a session into a new file, as it is at one moment.

    Raises:
        StoreError: the file cannot be written, or the database cannot be read.
    """

    def copy() -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as target:
            target.execute("PRAGMA synchronous = OFF")
            session.connection.backup(target)  # in one step, so it sees one state

    _translated(copy)


def migrate(connection: sqlite3.Connection, up_to: int | None = None) -> None:
    """Bring the schema to a version, the newest without one, each step in a transaction of its own.

    Raises:
        StoreError: the database belongs to a newer tautwire.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for script in scripts("sqlite", after=version, up_to=up_to):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script.text}\nPRAGMA user_version = {script.number};\nCOMMIT;")


def translate(error: Exception) -> Exception:
    """Return the error of the port for an error of SQLite."""
    if isinstance(error, _UNIT_ERRORS):
        return StatementError(str(error))
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", -1)
    if code == sqlite3.SQLITE_ERROR:  # the SQL is wrong: an unknown table, a missing column
        return StatementError(str(error))
    if code & 0xFF in _DAMAGED:  # the other bits are details of the damage
        return DamagedError(str(error))
    return StoreError(str(error))


def _translated(step: Callable[[], T]) -> T:
    try:
        return step()
    except Exception as error:
        raise translate(error) from error


def _make_private(path: Path) -> tuple[int, int]:
    """Create the file if it is missing, and make it private; SQLite gives its other files the same mode.

    Return the identity of the file: its device and its number there.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # The mode given to open() counts for new files only, and the umask narrows it.
    os.fchmod(descriptor, 0o600)
    found = os.fstat(descriptor)
    os.close(descriptor)
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check(connection: sqlite3.Connection, unfinished: int) -> None:
    """Check the database after an unclean stop, and refuse a damaged one.

    SQLite recovers the write-ahead log up to the first damaged frame, and reports nothing.
    """
    log.warning("the server was not stopped cleanly: %d bytes of the write-ahead log are recovered", unfinished)
    end = monotonic() + CHECK_PATIENCE
    connection.set_progress_handler(lambda: monotonic() > end, 100_000)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        log.warning(
            "the check of the database was ended after %.0f s: the database is too large for a full check",
            CHECK_PATIENCE,
        )
    else:
        if found != "ok":
            raise StoreError(
                f"the database is damaged ({found}): restore a backup (docs/how-to/server/back-up-a-server.md)"
            )
    finally:
        connection.set_progress_handler(None, 0)
