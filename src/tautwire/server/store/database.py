"""The data directory: opened by one server at a time, with the schema up to date.

Its files are ``tautwire.db`` (SQLite, write-ahead log), ``lock`` and, for seeded workspaces, ``tokens.json``.

Why write-ahead log: readers see a consistent state and never wait for the writer, and a commit is one append and one
flush. Why ``synchronous=FULL``: in this mode SQLite flushes that append at each commit, so an ack means on disk.
"""

import contextlib
import fcntl
import logging
import os
import sqlite3
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import Final, Literal, Protocol, Self

from tautwire.protocol.errors import TautwireError

log = logging.getLogger("tautwire.server.store")

CHECK_PATIENCE: Final = 5.0
"""Seconds that the check of the database may take after an unclean stop."""

UNIT_ERRORS: Final = (
    sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError,
)  # fmt: skip
"""Errors of a statement; every other error of SQLite is one of the disk or the database."""

Row = sqlite3.Row
Durability = Literal["full", "normal"]


class Query(Protocol):
    """Queries of the database: in a snapshot of a reader or in a transaction of the writer."""

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""

    def all(self, sql: str, *arguments: object) -> list[Row]:
        """Return all rows of a query."""


class StoreError(TautwireError):
    """The database cannot be read or written; the text says why and, where possible, what to do."""


class Database:
    """A data directory, locked for this process until ``close``.

    Raises:
        StoreError: it cannot be created, another server uses it, or its database cannot be opened.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "tautwire.db"
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._locks = _lock(directory)
        except OSError as error:
            raise StoreError(
                f"the data directory {directory} cannot be used: {error.strerror or error}; choose another with --data"
            ) from error
        if directory.stat().st_mode & 0o077:
            log.warning("other users of this machine can read %s: set its mode with chmod 700", directory)
        try:
            self._file = _make_private(self.path)
            self._longest = 0  # the size in bytes that was last seen
            unfinished = _size(self.path.with_name(self.path.name + "-wal"))
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
        """Return a new connection in autocommit mode; one thread at a time may use it.

        With ``full`` every commit is flushed to disk; with ``normal`` commits survive a crash of the process, not of
        the machine.
        """
        # Autocommit: transactions begin with an explicit BEGIN, also those that only read.
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=256)
        connection.row_factory = Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL" if durability == "full" else "PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA cache_size = -16384")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        return connection

    @property
    def is_in_place(self) -> bool:
        """Whether the path still leads to the opened file, whole: changes to another or a shorter one would be lost.

        SQLite never makes the file shorter, since the server never vacuums it.
        """
        try:
            found = self.path.stat()
        except OSError:
            return False
        if (found.st_dev, found.st_ino) != self._file or found.st_size < self._longest:
            return False
        self._longest = found.st_size
        return True

    def close(self) -> None:
        """Unlock the directory."""
        for descriptor in self._locks:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date, each step in a transaction of its own.

    Raises:
        StoreError: the database belongs to a newer tautwire.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    scripts = sorted(
        (entry for entry in resources.files(__package__).joinpath("schema", "sqlite").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    if version > len(scripts):
        raise StoreError(
            f"the schema of the database must be at most {len(scripts)}, got {version}: start the newer tautwire again"
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;")


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
            raise StoreError(f"the database is damaged ({found}): restore a backup (docs/how-to/back-up-a-server.md)")
    finally:
        connection.set_progress_handler(None, 0)


def _lock(directory: Path) -> tuple[int, ...]:
    """Lock the file ``lock`` and the directory itself: the file may be deleted while a server runs."""
    locks = [os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)]
    try:
        locks.append(os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for descriptor in locks:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        for descriptor in locks:
            os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise
        raise StoreError(
            f"another server uses {directory}: stop it, or give this one a directory of its own with --data"
        ) from error
    return tuple(locks)
