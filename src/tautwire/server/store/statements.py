"""What the modules of the tables share: what takes a statement, and the marks of a list of values.

SQL is written in the words that SQLite and PostgreSQL have. So there is no ``rowid``, no ``max`` of two values, no
number in place of a truth value, no numbered mark (``?1``), and nothing is called ``user``.
"""

from collections.abc import Sequence
from typing import Protocol

from tautwire.server.store.engine import Insert


class Statements(Protocol):
    """Takes statements that change rows; ``log.transaction.Transaction`` does."""

    def execute(self, sql: str, *arguments: object) -> int:
        """Run a statement that changes rows; return how many it changed."""

    def insert(self, into: Insert, row: Sequence[object]) -> None:
        """Gather a row, which is inserted with others."""


def marks(values: Sequence[object]) -> str:
    """Return the marks of a list of values: ``?,?,?``; of an empty one ``NULL``, which equals nothing.

    PostgreSQL refuses ``IN ()``.
    """
    return ",".join("?" * len(values)) or "NULL"
