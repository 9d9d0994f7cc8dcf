"""The engine: connects, brings the schema up to date, and holds the workspace for one server at a time."""

import contextlib
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Final, Self

import psycopg

from tautwire.server.store.directory_lock import DirectoryLock
from tautwire.server.store.engine import DisconnectedError, Durability, StoreError
from tautwire.server.store.migrations import scripts
from tautwire.server.store.postgres.address import read_address
from tautwire.server.store.postgres.errors import first_line, guarded
from tautwire.server.store.postgres.outcome import was_committed
from tautwire.server.store.postgres.sessions import CLOSE_PATIENCE, PostgresReadSession, PostgresSession
from tautwire.server.store.postgres.values import Array, ArrayDumper, Connection, TextDumper, make_rows
from tautwire.server.store.postgres.wire import is_alive, wait

log = logging.getLogger("tautwire.server.store")
# psycopg warns about each pipeline that ends with its connection; what is lost is reported here.
logging.getLogger("psycopg").setLevel(logging.ERROR)

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
"""Seconds that a start waits for the workspace: PostgreSQL sees the end of a killed server, or of a broken connection,
a moment later."""
LOCK_PAUSE: Final = 0.05
"""Seconds between two tries."""
LOCK_CLASS: Final = 0x7461_7574
"""The first number of tautwire's advisory locks; the second is made from the schema."""


class PostgresEngine:
    """A workspace in a schema of a PostgreSQL database, held by this server until ``close``.

    Args:
        directory: the data directory of the server; without one, the workspace is used beside the server that holds it.
        read_only: read the workspace beside the server that may hold it; see ``Engine``.

    Raises:
        ConfigError: the URL cannot be read.
        StoreError: the database cannot be reached or used, or another server holds the workspace.
    """

    keeps_to_itself = False

    def __init__(self, url: str, directory: Path | None = None, *, read_only: bool = False) -> None:
        self._address = read_address(url)
        self.name = self._address.name
        self._is_read_only = read_only
        self._lock = None if directory is None or read_only else DirectoryLock(directory)
        self._holder: Connection | None = None
        self._checking = Lock()
        self._checked_at = 0.0
        self._lost_at = 0.0
        self._problem: str | None = None  # found by the last check
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def session(self, durability: Durability = "full") -> PostgresSession:
        """Connect the writer; see ``Engine``."""
        return PostgresSession(
            self._connect(
                lock_timeout=LOCK_TIMEOUT,
                idle_in_transaction_session_timeout=SILENCE,
                **({"synchronous_commit": "off"} if durability == "normal" else {}),
            )
        )

    def read_session(self) -> PostgresReadSession:
        """Connect a thread that reads; see ``Engine``."""
        return PostgresReadSession(self._connect(default_transaction_read_only="on"))

    def schema_version(self) -> int:
        """Return the version of the schema; see ``Engine``."""
        connection = self._connect()
        try:
            return guarded(connection, lambda: _version(connection, self._address.quoted))
        finally:
            connection.close()

    def examine(self) -> Sequence[str]:
        """Find nothing: PostgreSQL checks references as it stores rows, and pages as it reads them."""
        return ()

    def was_committed(self, transaction: str) -> bool:
        """Return whether a transaction is stored; see ``Engine``."""
        connection = self._connect()
        try:
            return was_committed(connection, transaction)
        finally:
            connection.close()

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
                # The next server need not wait until PostgreSQL has seen the end of this connection.
                holder.pgconn.send_query(b"SELECT pg_advisory_unlock_all()")
                holder.pgconn.flush()
                wait(holder, CLOSE_PATIENCE)
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
            step = _refuse_newer if self._is_read_only else _migrate
            guarded(connection, lambda: step(connection, self._address.quoted))
        finally:
            if self._holder is None:
                connection.close()

    def _check_hold(self) -> str | None:
        """Take the lock again if its connection has ended; return why that is not possible."""
        if self._holder is not None:
            if is_alive(self._holder):
                return None
            self._holder.close()
            self._holder = None
            self._lost_at = monotonic()
        with contextlib.suppress(DisconnectedError):  # the batch reports that
            connection = self._connect()
            try:
                self._hold(connection, 0)
            except StoreError as error:
                connection.close()
                # At first the lock may still be that of our own connection, whose end PostgreSQL has not seen.
                return str(error) if monotonic() > self._lost_at + LOCK_PATIENCE else None
        return None

    def _connect(self, **settings: str | int) -> Connection:
        settings = {"search_path": self._address.quoted, "client_min_messages": "warning", **settings}
        given = psycopg.conninfo.conninfo_to_dict(self._address.url).get("options") or ""
        options = " ".join([str(given), *(f"-c {name}={value}" for name, value in settings.items())])
        try:
            connection: Connection = psycopg.connect(
                self._address.url, autocommit=True, row_factory=make_rows, options=options,
                connect_timeout=CONNECT_TIMEOUT, tcp_user_timeout=SILENCE, keepalives_idle=5, keepalives_interval=2,
                application_name="tautwire",
            )  # fmt: skip
        except psycopg.Error as error:
            raise DisconnectedError(f"{self.name} cannot be reached: {first_line(error)}") from None
        connection.adapters.register_dumper(str, TextDumper)
        connection.adapters.register_dumper(Array, ArrayDumper)
        return connection

    def _hold(self, connection: Connection, patience: float) -> None:
        """Take the lock of the workspace on this connection, which is kept."""
        end = monotonic() + patience
        while not guarded(connection, lambda: _try_lock(connection, self._address.schema)):
            if monotonic() >= end:
                raise StoreError(
                    f"another server uses {self.name}: stop it, or name another schema with ?schema=NAME at the end of "
                    "the URL"
                )
            time.sleep(LOCK_PAUSE)
        self._holder = connection


def _try_lock(connection: Connection, schema: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", [LOCK_CLASS, schema]).fetchone()
    return bool(row and row[0])


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
    for script in scripts("postgres", after=_version(connection, schema)):
        with connection.transaction():
            connection.execute(script.text.encode())
            connection.execute("DELETE FROM schema_version")
            connection.execute("INSERT INTO schema_version VALUES (%s)", [script.number])


def _version(connection: Connection, schema: str) -> int:
    """Return the version of the schema, 0 if there is none."""
    if connection.execute("SELECT to_regclass(%s)", [f"{schema}.schema_version"]).fetchone() == (None,):
        return 0
    row = connection.execute(f"SELECT max(version) FROM {schema}.schema_version".encode()).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def _refuse_newer(connection: Connection, schema: str) -> None:
    scripts("postgres", after=_version(connection, schema))
