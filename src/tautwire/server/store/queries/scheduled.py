"""The table ``scheduled``: messages that are posted later."""

from collections.abc import Sequence

import msgspec

from tautwire.server.store.engine import Query
from tautwire.server.store.statements import Statements, marks


class ScheduledRecord(msgspec.Struct, frozen=True, gc=False):
    """A message to be posted. Times are in seconds."""

    id: str
    channel: str
    user_id: str
    """The author."""
    due: int
    created: int
    draft: bytes
    """JSON."""


_COLUMNS = ScheduledRecord.__struct_fields__
_SCHEDULED = f"SELECT {', '.join(_COLUMNS)} FROM scheduled"


def find_scheduled(query: Query, scheduled: str) -> ScheduledRecord | None:
    """Return the scheduled message with this id."""
    row = query.one(f"{_SCHEDULED} WHERE id = ?", scheduled)
    return ScheduledRecord(*row) if row is not None else None


def find_scheduled_of(
    query: Query, user: str, *, channel: str | None, span: tuple[int, int], after: tuple[int, str], count: int
) -> list[ScheduledRecord]:
    """Return scheduled messages of a user, the next first.

    Args:
        channel: only of this channel.
        span: only those due from the first to the second time.
        after: due time and id of the last one of the page before; ``(0, "")`` for the first page.
    """
    here, places = ("", []) if channel is None else (" AND channel = ?", [channel])
    rows = query.all(
        f"{_SCHEDULED} WHERE user_id = ?{here} AND due >= ? AND due <= ? AND (due > ? OR (due = ? AND id > ?))"
        " ORDER BY due, id LIMIT ?",
        user, *places, *span, after[0], *after, count,
    )  # fmt: skip
    return [ScheduledRecord(*row) for row in rows]


def find_due(query: Query, now: int, count: int) -> Sequence[str]:
    """Return the ids of at most ``count`` messages that are due, the earliest first."""
    return [row[0] for row in query.all("SELECT id FROM scheduled WHERE due <= ? ORDER BY due, id LIMIT ?", now, count)]


def find_next_due(query: Query) -> int | None:
    """Return when the next message is due, None if none is scheduled."""
    row = query.one("SELECT min(due) FROM scheduled")
    return row[0] if row is not None else None


def count_scheduled(query: Query, channel: str, *, low: int, high: int) -> int:
    """Return the number of messages that are due in a channel from ``low`` on and before ``high``."""
    row = query.one("SELECT count(*) FROM scheduled WHERE channel = ? AND due >= ? AND due < ?", channel, low, high)
    return row[0] if row is not None else 0


def add_scheduled(tx: Statements, scheduled: ScheduledRecord) -> None:
    """Store a scheduled message."""
    values = [getattr(scheduled, column) for column in _COLUMNS]
    tx.execute(f"INSERT INTO scheduled ({', '.join(_COLUMNS)}) VALUES ({marks(values)})", *values)


def delete_scheduled(tx: Statements, scheduled: str) -> None:
    """Delete a scheduled message: it is posted, or will not be."""
    tx.execute("DELETE FROM scheduled WHERE id = ?", scheduled)
