"""Rows, arrays, text and statements as psycopg and PostgreSQL have them. No connection is used here."""

import re
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.string import StrDumperUnknown


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
"""A connection whose rows are ours."""


class Array:
    """The values of one column, which ``unnest`` makes rows of."""

    __slots__ = ("type", "values")

    def __init__(self, type_: str, values: Sequence[Any]) -> None:
        self.type = type_
        self.values = values


def _text(value: str) -> bytes:
    """Return text without NUL, which PostgreSQL cannot hold: the replacement character stands for it."""
    return value.replace("\0", "\ufffd").encode()  # the same text if there is no NUL in it


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
    """Return the binary form of a one-dimensional array: for text in half the time that psycopg's own way takes."""
    _, element, encode = _ARRAYS[array.type]
    values = array.values
    has_null = None in values
    if has_null:
        data = [None if value is None else encode(value) for value in values]
        body = b"".join([_NULL if each is None else _LENGTH(len(each)) + each for each in data])
    else:
        body = b"".join([_LENGTH(len(each)) + each for each in map(encode, values)])
    return _ARRAY_HEAD.pack(1, has_null, element, len(values), 1) + body


class ArrayDumper(Dumper):
    """Sends arrays to PostgreSQL in binary."""

    format = Format.BINARY

    def dump(self, obj: Array) -> bytes:
        """Return the bytes of an array."""
        return encode_array(obj)

    def get_key(self, obj: Array, format: Any) -> Any:  # noqa: A002 - the name is psycopg's
        """Return what psycopg keeps the dumper under: there is one for each type of elements."""
        return (self.cls, obj.type)

    def upgrade(self, obj: Array, format: Any) -> "ArrayDumper":  # noqa: A002
        """Return the dumper for the type of elements."""
        dumper = type(self)(self.cls)
        dumper.oid = _ARRAYS[obj.type].oid
        return dumper


class TextDumper(StrDumperUnknown):
    """Sends text to PostgreSQL."""

    def dump(self, obj: str) -> Any:
        """Return the bytes of a text, with the replacement character for NUL."""
        return super().dump(obj if "\0" not in obj else obj.replace("\0", "\ufffd"))


_FOUND: Final = "search_found f CROSS JOIN search_entry s WHERE f.id = s.id AND f.query MATCH %s"
_FOUND_HERE: Final = (
    "(SELECT * FROM search_entry WHERE array_to_tsvector(string_to_array(words, ' ')) @@ CAST("
    """replace(replace(replace(replace(%s, '"', ''''), ' AND ', ' & '), ' OR ', ' | '), '*', ':*')"""
    " AS tsquery) OFFSET 0) s WHERE TRUE"
)
"""The search of the index: a query of SQLite's FTS5 is made one of PostgreSQL, whose words are quoted as well. OFFSET
keeps the planner from another way than the index, such as one in the order of the answer."""


@lru_cache(maxsize=1_000)
def statement(text: str) -> bytes:
    """Return a statement of the rules in the words of psycopg and PostgreSQL."""
    text = text.replace("%", "%%").replace("?", "%s").replace(_FOUND, _FOUND_HERE)
    return re.sub(r"group_concat\((\w+)\)", r"string_agg(\1, ',')", text).encode()


_rows_by_columns: dict[tuple[str, ...], type[Row]] = {}


def make_rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], Row]:
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
