"""The table ``reaction``: the reactions to messages."""

from collections.abc import Sequence

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements, marks


def find_reactions(query: Query, channel: str, stamps: Sequence[str]) -> Sequence[Row]:
    """Return ``ts``, ``name`` and ``user_id`` of the reactions to messages, oldest first for each message."""
    return query.all(
        f"SELECT ts, name, user_id FROM reaction WHERE channel = ? AND ts IN ({marks(stamps)}) ORDER BY ts, created",
        channel, *stamps,
    )  # fmt: skip


def find_reaction_names(query: Query, channel: str, ts: str) -> set[str]:
    """Return the names of the emoji with which users reacted to a message."""
    return {row[0] for row in query.all("SELECT name FROM reaction WHERE channel = ? AND ts = ?", channel, ts)}


def has_reaction(query: Query, channel: str, ts: str, name: str, user: str) -> bool:
    """Whether a user has reacted to a message with this emoji."""
    row = query.one(
        "SELECT 1 FROM reaction WHERE channel = ? AND ts = ? AND name = ? AND user_id = ?", channel, ts, name, user
    )
    return row is not None


def add_reaction(tx: Statements, channel: str, ts: str, name: str, user: str, created: int) -> None:
    """Store a reaction; ``created`` is in microseconds."""
    tx.execute(
        "INSERT INTO reaction (channel, ts, name, user_id, created) VALUES (?, ?, ?, ?, ?)",
        channel, ts, name, user, created,
    )  # fmt: skip


def remove_reaction(tx: Statements, channel: str, ts: str, name: str, user: str) -> bool:
    """Delete a reaction; return whether there was one."""
    count = tx.execute(
        "DELETE FROM reaction WHERE channel = ? AND ts = ? AND name = ? AND user_id = ?", channel, ts, name, user
    )
    return count > 0


def remove_reactions(tx: Statements, channel: str, ts: str) -> None:
    """Delete all reactions to a message."""
    tx.execute("DELETE FROM reaction WHERE channel = ? AND ts = ?", channel, ts)
