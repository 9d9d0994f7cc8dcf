"""Reads beside the writer: a few threads with a connection each, off the loop.

A read sees everything that was committed before it began (SQLite WAL), so what a caller was told is stored can be
read back at once.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from tautwire.server.store.database import Database, Query, Row

T = TypeVar("T")

CLOSE_CHECK: Final = 100_000
"""Steps of SQLite's machine, some milliseconds, between two looks whether the read has to end."""


class Snapshot:
    """One consistent view of the database, for the length of one read."""

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
    """Runs read functions in threads of its own."""

    def __init__(self, database: Database, threads: int = 2) -> None:
        self._database = database
        self._pool = ThreadPoolExecutor(threads, "tautwire-reader")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._is_closed = False

    async def read(self, function: Callable[[Query], T]) -> T:
        """Return ``function(query)``, all of whose queries see the same state."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, function)

    def close(self) -> None:
        """End the reads that run, forget those that wait, and close the connections.

        Nothing that is running now has a caller left to answer: the doors are closed before the store.
        """
        self._is_closed = True
        self._pool.shutdown(cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _run(self, function: Callable[[Query], T]) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._database.connect(read_only=True)
            connection.set_progress_handler(lambda: self._is_closed, CLOSE_CHECK)
            self._connections.append(connection)
        connection.execute("BEGIN")
        try:
            return function(Snapshot(connection))
        finally:
            connection.execute("ROLLBACK")
