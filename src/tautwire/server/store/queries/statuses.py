"""The table ``status_end``: when the statuses of users end. A status without an end has no row."""

from collections.abc import Sequence

from tautwire.server.store.engine import Query
from tautwire.server.store.statements import Statements


def find_ended(query: Query, now: int, count: int) -> Sequence[str]:
    """Return at most ``count`` users whose status has ended, the earliest first."""
    rows = query.all("SELECT user_id FROM status_end WHERE due <= ? ORDER BY due, user_id LIMIT ?", now, count)
    return [row[0] for row in rows]


def find_next_end(query: Query) -> int | None:
    """Return when the next status ends, None if none does."""
    row = query.one("SELECT min(due) FROM status_end")
    return row[0] if row is not None else None


def set_status_end(tx: Statements, user: str, due: int) -> None:
    """Store when the status of a user ends, in seconds; 0 for never."""
    tx.execute("DELETE FROM status_end WHERE user_id = ?", user)
    if due:
        tx.execute("INSERT INTO status_end (user_id, due) VALUES (?, ?)", user, due)
