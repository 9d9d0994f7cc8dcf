"""The table ``pin``: the messages that are pinned to their channels."""

from collections.abc import Sequence

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements, marks


def find_pin(query: Query, channel: str, ts: str) -> Row | None:
    """Return ``user_id`` and ``created`` (microseconds) of a pin."""
    return query.one("SELECT user_id, created FROM pin WHERE channel = ? AND ts = ?", channel, ts)


def find_pins(query: Query, channel: str) -> Sequence[Row]:
    """Return ``ts``, ``user_id``, ``created`` and ``size`` (of the message) of a channel's pins, newest first."""
    return query.all(
        "SELECT p.ts, p.user_id, p.created, length(m.body) AS size FROM pin p"
        " JOIN message m ON m.channel = p.channel AND m.ts = p.ts WHERE p.channel = ?"
        " ORDER BY p.created DESC, p.ts DESC",
        channel,
    )


def find_pinned(query: Query, channel: str, stamps: Sequence[str]) -> set[str]:
    """Return which of the messages are pinned."""
    rows = query.all(f"SELECT ts FROM pin WHERE channel = ? AND ts IN ({marks(stamps)})", channel, *stamps)
    return {row[0] for row in rows}


def count_pins(query: Query, channel: str) -> int:
    """Return the number of pins of a channel."""
    row = query.one("SELECT count(*) FROM pin WHERE channel = ?", channel)
    return row[0] if row is not None else 0


def add_pin(tx: Statements, channel: str, ts: str, user: str, created: int) -> None:
    """Store a pin; ``created`` is in microseconds."""
    tx.execute("INSERT INTO pin (channel, ts, user_id, created) VALUES (?, ?, ?, ?)", channel, ts, user, created)


def remove_pin(tx: Statements, channel: str, ts: str) -> bool:
    """Delete a pin; return whether there was one."""
    return tx.execute("DELETE FROM pin WHERE channel = ? AND ts = ?", channel, ts) > 0
