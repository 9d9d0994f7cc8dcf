"""Opens the data directory: one server at a time, the schema up to date, connections set up the same way.

The files are ``tautwire.db`` (SQLite, write-ahead log), ``lock`` and, for seeded workspaces, ``tokens.json``.
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
"""Seconds that the database is looked over after an unclean stop."""

UNIT_ERRORS: Final = (
    sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError, sqlite3.NotSupportedError,
)  # fmt: skip
"""What SQLite raises because of the statement; everything else is the disk's."""

Row = sqlite3.Row
Durability = Literal["full", "normal"]


class Query(Protocol):
    """Asks the database; a reader's snapshot and a writer's transaction both can."""

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""

    def all(self, sql: str, *arguments: object) -> list[Row]:
        """Return all rows of a query."""


class StoreError(TautwireError):
    """The data directory cannot be used; the text says what to do."""


class Database:
    """A data directory that this process has to itself until ``close``.

    Raises:
        StoreError: it cannot be made, is in use, or holds something else.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "tautwire.db"
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._locks = _lock(directory)
        except OSError as error:
            raise StoreError(f"the data directory {directory} cannot be used: {error.strerror or error}") from error
        if directory.stat().st_mode & 0o077:
            log.warning("other users of this machine can look into %s: chmod 700 it", directory)
        try:
            self._file = _make_private(self.path)
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
        """Return a new connection in autocommit mode, for use in any one thread at a time.

        ``full`` flushes every commit to disk; ``normal`` survives a crash of the process, not of the machine.
        """
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
        """Whether the file of this database still stands where it was opened: what goes into another is lost."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._file

    def close(self) -> None:
        """Let another process have the directory."""
        for descriptor in self._locks:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date, each step in a transaction of its own; refuse a database of a newer tautwire."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    scripts = sorted(
        (entry for entry in resources.files(__package__).joinpath("schema").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    if version > len(scripts):
        raise StoreError(
            f"the database has schema {version}, this tautwire knows {len(scripts)}: start the newer version again"
        )
    for number, script in enumerate(scripts[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{script.read_text()}\nPRAGMA user_version = {number};\nCOMMIT;")


def _make_private(path: Path) -> tuple[int, int]:
    """See that nobody else can read the messages; SQLite gives its other files the mode of this one.

    Return what tells the file from any other: its device and its number there.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    found = os.fstat(descriptor)
    os.close(descriptor)
    return found.st_dev, found.st_ino


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _check(connection: sqlite3.Connection, unfinished: int) -> None:
    """Look the database over after a start that follows no clean stop; refuse one that is damaged.

    SQLite takes over what the write-ahead log holds, up to the first damaged frame, without a word.
    """
    log.warning("the server was not stopped cleanly: %d bytes of the write-ahead log are taken over", unfinished)
    end = monotonic() + CHECK_PATIENCE
    connection.set_progress_handler(lambda: monotonic() > end, 100_000)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        log.warning("the database was looked over for %.0f s only: it is too large for more", CHECK_PATIENCE)
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
