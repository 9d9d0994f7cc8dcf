"""Small reads on the loop: one row by an index, with a connection of its own.

A switch to a reader's thread and back costs ten times such a read. A read of more than a few pages of the database
belongs to ``reader``.
"""

import sqlite3
from typing import Final

from tautwire.server.store.database import Database, Row, StoreError

PATIENCE: Final = 100
"""Milliseconds that the loop waits for a locked database; in WAL mode a reader almost never waits."""


class Lookup:
    """A connection for reads on the loop."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connect(read_only=True)
        self._connection.execute(f"PRAGMA busy_timeout = {PATIENCE}")

    def one(self, sql: str, *arguments: object) -> Row | None:
        """Return the first row of a query, or None.

        Raises:
            StoreError: the database cannot be read.
        """
        try:
            row: Row | None = self._connection.execute(sql, arguments).fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"the database cannot be read: {error}") from error
        return row

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
