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


_SEEN = (
    " FROM reaction r JOIN channel c ON c.id = r.channel WHERE r.user_id = ? AND ((c.kind = 'public' AND ?)"
    " OR EXISTS (SELECT 1 FROM membership m WHERE m.channel = r.channel AND m.user_id = ?))"
)


def count_reacted(query: Query, user: str, *, viewer: str, sees_public: bool) -> int:
    """Return the number of messages that a user has reacted to and the viewer may see."""
    row = query.one(f"SELECT count(*) FROM (SELECT DISTINCT r.channel, r.ts{_SEEN}) AS seen", user, sees_public, viewer)
    return row[0] if row is not None else 0


def measure_reacted(
    query: Query, user: str, *, viewer: str, sees_public: bool, before: tuple[str, str], skip: int, count: int
) -> Sequence[Row]:
    """Return ``channel``, ``ts`` and bytes of messages that a user has reacted to, the newest message first.

    Args:
        sees_public: whether the viewer sees public channels without being a member.
        before: ts and channel of the last one of the page before.
        skip: how many of the rest are left out.
    """
    return query.all(
        "SELECT seen.channel, seen.ts, length(b.body) AS size FROM"
        f" (SELECT DISTINCT r.channel, r.ts{_SEEN} AND (r.ts < ? OR (r.ts = ? AND r.channel < ?))) AS seen"
        " JOIN message b ON b.channel = seen.channel AND b.ts = seen.ts ORDER BY seen.ts DESC, seen.channel DESC"
        " LIMIT ? OFFSET ?",
        user, sees_public, viewer, before[0], *before, count, skip,
    )  # fmt: skip
