"""Reads off the loop: a few threads with a connection each, beside the writer.

A read sees every commit before its beginning (SQLite WAL). So a client that got an ack can read its message at once.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, TypeVar

from tautwire.server.store.database import UNIT_ERRORS, Database, Query, Row, StoreError

log = logging.getLogger("tautwire.server.store")

T = TypeVar("T")

CLOSE_CHECK: Final = 100_000
"""Steps of SQLite's virtual machine, a few milliseconds, between two checks whether the read has to end."""

LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about failed reads."""

DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Snapshot:
    """One consistent view of the database, for one read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None."""
        row: Row | None = self._connection.execute(sql, arguments).fetchone()
        return row

    def all(self, sql: str, *arguments: object) -> list[Row]:
        """Return all rows of a query."""
        return self._connection.execute(sql, arguments).fetchall()


class Reader:
    """Runs read functions in threads of its own.

    Attributes:
        damage: the message of SQLite when it finds the database damaged; None until then.
    """

    def __init__(self, database: Database, threads: int = 2) -> None:
        self._database = database
        self._pool = ThreadPoolExecutor(threads, "tautwire-reader")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._is_closed = False
        self._logged_at = -LOG_INTERVAL
        self.damage: str | None = None

    async def read(self, function: Callable[[Query], T]) -> T:
        """Return ``function(query)``, all of whose queries see the same state.

        Raises:
            StoreError: the database cannot be read.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, function)

    def close(self) -> None:
        """Interrupt running reads, cancel waiting ones, and close the connections.

        No caller is left to answer: the doors are closed before the store.
        """
        self._is_closed = True
        self._pool.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _run(self, function: Callable[[Query], T]) -> T:
        try:
            return self._read(function)
        except UNIT_ERRORS:  # an error of the function, not of the disk
            raise
        except sqlite3.Error as error:
            if not self._is_closed:
                self._note(error)
            raise StoreError(f"the database cannot be read: {error}") from error

    def _note(self, error: sqlite3.Error) -> None:
        if error.sqlite_errorcode & 0xFF in DAMAGED:  # the other bits are details of the damage
            self.damage = str(error)
        if monotonic() - self._logged_at >= LOG_INTERVAL:
            self._logged_at = monotonic()
            log.error("the database cannot be read", exc_info=error)

    def _read(self, function: Callable[[Query], T]) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            # One connection for each thread: SQLite serializes the statements of a connection.
            connection = self._local.connection = self._database.connect(read_only=True)
            connection.set_progress_handler(lambda: self._is_closed, CLOSE_CHECK)
            self._connections.append(connection)
        # Without a transaction each query would see the newest commit, and two of them could disagree.
        connection.execute("BEGIN")
        try:
            return function(Snapshot(connection))
        finally:
            if connection.in_transaction:  # SQLite ends it itself after some errors
                connection.execute("ROLLBACK")
