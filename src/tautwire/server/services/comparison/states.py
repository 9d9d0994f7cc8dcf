"""Changes between two databases: the rows of both are walked in the order of their keys, a page of each in memory.

Rows are compared as they are stored; only those that differ are read further. Both databases have the newest schema.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.server.services.comparison.changes import Change, Facts, Kind, message_facts
from tautwire.server.store.engine import Query
from tautwire.server.store.migrations import NEWEST
from tautwire.server.store.queries.channels import find_direct_channels
from tautwire.server.store.queries.files import State
from tautwire.server.store.tables import Table, Values, pages, tables_of

Row = dict[str, Any]


class Compared(NamedTuple):
    """A table that is compared."""

    table: str
    kind: Kind
    facts: Callable[[Row], Facts | None]


def _plain(*columns: str) -> Callable[[Row], Facts]:
    return lambda row: {column: row[column] for column in columns}


def _channel(row: Row) -> Facts:
    return {
        "name": row["name"], "kind": row["kind"], "archived": bool(row["archived"]), "topic": row["topic"],
        "purpose": row["purpose"], "creator": row["creator"], "people": row["people"],
    }  # fmt: skip


def _person(row: Row) -> Facts:
    return {
        "name": row["name"], "real_name": row["real_name"], "email": row["email"], "deleted": bool(row["deleted"]),
        "is_bot": row["bot_id"] is not None, "profile": msgspec.json.decode(row["profile"]) if row["profile"] else {},
    }  # fmt: skip


def _scheduled(row: Row) -> Facts:
    draft = msgspec.json.decode(row["draft"])
    return {"channel": row["channel"], "user": row["user_id"], "post_at": row["due"], "draft": draft}


COMPARED: Final = (
    Compared("message", "message", lambda row: message_facts(row["body"])),
    Compared("reaction", "reaction", _plain()),
    Compared("pin", "pin", lambda row: {"user": row["user_id"]}),
    Compared("membership", "member", _plain()),
    Compared("channel", "channel", _channel),
    Compared("users", "person", _person),
    Compared("scheduled", "scheduled", _scheduled),
    Compared("file", "file", lambda row: {} if row["state"] == State.COMPLETE else None),
    Compared("workspace", "team", _plain("name", "domain", "icon")),
)


def compare(before: Query, after: Query) -> Iterator[Change]:
    """Yield the changes between two databases."""
    tables = {table.name: table for table in tables_of(NEWEST)}
    directs = find_direct_channels(before) | find_direct_channels(after)
    for compared in COMPARED:
        table = tables[compared.table]
        for change in _compare(compared, table, before, after):
            # The members of a direct message are part of the conversation: they never come and go.
            if change.kind != "member" or change.key[0] not in directs:
                yield change


def _compare(compared: Compared, table: Table, before: Query, after: Query) -> Iterator[Change]:
    for old, new in _pairs(table, before, after):
        facts = [compared.facts(row) if row is not None else None for row in (old, new)]
        if facts[0] != facts[1]:
            row = new or old or {}
            yield Change(compared.kind, tuple(str(row[column]) for column in table.key), facts[0], facts[1])


def _pairs(table: Table, before: Query, after: Query) -> Iterator[tuple[Row | None, Row | None]]:
    """Yield the rows that differ, by key; None where a database has no such row."""
    places = [table.columns.index(column) for column in table.key]
    old, new = (_rows(table, query, places) for query in (before, after))
    left, right = next(old, None), next(new, None)
    while left is not None and right is not None:
        if left[0] < right[0]:
            yield _named(table, left[1]), None
            left = next(old, None)
        elif right[0] < left[0]:
            yield None, _named(table, right[1])
            right = next(new, None)
        else:
            if left[1] != right[1]:
                yield _named(table, left[1]), _named(table, right[1])
            left, right = next(old, None), next(new, None)
    while left is not None:
        yield _named(table, left[1]), None
        left = next(old, None)
    while right is not None:
        yield None, _named(table, right[1])
        right = next(new, None)


def _rows(table: Table, query: Query, places: list[int]) -> Iterator[tuple[list[str], Values]]:
    for page in pages(query, table):
        for row in page:
            # As text: SQLite orders text by its bytes, which is the order of Python's strings.
            yield [str(row[place]) for place in places], row


def _named(table: Table, row: Values) -> Row:
    return dict(zip(table.columns, row, strict=True))
