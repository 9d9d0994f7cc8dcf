"""The tables of a schema as the schema itself describes them, so that code which handles all tables forgets none.

The steps of SQLite are run in memory and asked for tables, columns, keys and references. PostgreSQL has the same tables
(tests/server/store/test_migrations.py).

The tables of the search, ``search_…``, are left out: they repeat what messages say, and the server
fills them (``services.search.filling``).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from graphlib import TopologicalSorter
from typing import Final, NamedTuple

import msgspec

from tautwire.server.store.engine import Insert, Query
from tautwire.server.store.sqlite import create_file
from tautwire.server.store.statements import marks

PAGE: Final = 100
"""Rows that are read at a time: the longest messages have some hundred kilobytes."""

_MODULUS: Final = 2**256


class Table(NamedTuple):
    """A table."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    """Columns that name a row: the primary key, else a unique index."""

    @property
    def insert(self) -> Insert:
        """The INSERT of whole rows."""
        return Insert(self.name, self.columns)


@lru_cache(maxsize=8)
def tables_of(version: int) -> tuple[Table, ...]:
    """Return the tables of a version of the schema; each comes after those to which its rows refer."""
    with closing(create_file(None, version)) as query:
        rows = query.all(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            " AND name NOT LIKE 'search_%' ORDER BY name"
        )
        tables = {row["name"]: _read_table(query, row["name"]) for row in rows}
        before = {name: _references(query, name) - {name} for name in tables}
    return tuple(tables[name] for name in TopologicalSorter(before).static_order())


def _read_table(query: Query, name: str) -> Table:
    columns = query.all(f"PRAGMA table_info({name})")
    key = [each["name"] for each in sorted(columns, key=lambda each: int(each["pk"])) if each["pk"]]
    return Table(name, tuple(each["name"] for each in columns), tuple(key or _unique_columns(query, name)))


def _unique_columns(query: Query, name: str) -> list[str]:
    for index in query.all(f"PRAGMA index_list({name})"):
        if index["unique"] and not index["partial"]:
            return [row["name"] for row in query.all(f"PRAGMA index_info({index['name']})")]
    raise LookupError(f"table {name} must have a primary key or a unique index: its rows are read in pages by it")


def _references(query: Query, name: str) -> set[str]:
    return {row["table"] for row in query.all(f"PRAGMA foreign_key_list({name})")}


Values = list[object]
"""The values of a row: None, numbers, text and bytes. SQLite has no truth values, so they are numbers here."""


def pages(query: Query, table: Table) -> Iterator[list[Values]]:
    """Yield all rows of a table, a page at a time, in the order of its key."""
    columns, order = ", ".join(table.columns), ", ".join(table.key)
    places = [table.columns.index(column) for column in table.key]
    first = f"SELECT {columns} FROM {table.name} ORDER BY {order} LIMIT ?"
    later = f"SELECT {columns} FROM {table.name} WHERE ({order}) > ({marks(places)}) ORDER BY {order} LIMIT ?"
    rows = query.all(first, PAGE)
    while rows:
        page = [[int(value) if value.__class__ is bool else value for value in row] for row in rows]
        yield page
        if len(page) < PAGE:
            return
        rows = query.all(later, *(page[-1][place] for place in places), PAGE)


class Digest:
    """The number of rows and a checksum of their values, whatever the order in which they come."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, page: Iterable[Sequence[object]]) -> None:
        """Count rows in."""
        for row in page:
            self.rows += 1
            self._sum += int.from_bytes(hashlib.sha256(msgspec.msgpack.encode(row)).digest())
        self._sum %= _MODULUS

    @property
    def checksum(self) -> str:
        """The sum of the SHA-256 of all rows, in hex."""
        return f"{self._sum:064x}"
