"""The tables of the log: ``log``, its entries; ``epoch``, its epochs; ``log_mark``, the time at some of its positions.

``server.log`` has their meaning. An entry of the kind ``message`` refers to a row of ``message``, whose channel is the
topic: the body is stored once.
"""

from collections.abc import Sequence
from typing import Final

from tautwire.server.store.engine import Insert, Query, Row
from tautwire.server.store.statements import Statements

ENTRY: Final = Insert("log", ("position", "kind", "topic", "payload", "message_ts"))

_WITH_MESSAGES: Final = (
    "log LEFT JOIN message ON kind = 'message' AND message.channel = topic AND message.ts = message_ts"
)


def find_entries(query: Query, *, after: int, before: int) -> Sequence[Row]:
    """Return the entries with ``after < position < before``, oldest first.

    Each has ``position``, ``kind``, ``topic``, ``payload``, ``message_ts``, and the ``body`` of the message to which it
    refers.
    """
    return query.all(
        f"SELECT log.position, kind, topic, payload, message_ts, body FROM {_WITH_MESSAGES}"
        " WHERE log.position > ? AND log.position < ? ORDER BY log.position",
        after,
        before,
    )


def measure_entries(query: Query, *, after: int, before: int) -> list[tuple[int, int]]:
    """Return position and bytes of the entries with ``after < position < before``, oldest first."""
    rows = query.all(
        f"SELECT log.position, coalesce(length(body), length(payload)) FROM {_WITH_MESSAGES}"
        " WHERE log.position > ? AND log.position < ? ORDER BY log.position",
        after,
        before,
    )
    return [(row[0], row[1]) for row in rows]


def find_moves(query: Query, *, after: int, before: int, user: str) -> Sequence[Row]:
    """Return a user's joins and leaves with ``after < position < before``, oldest first.

    Each has ``position``, ``kind``, ``topic`` and ``payload``.
    """
    return query.all(
        "SELECT position, kind, topic, payload FROM log"
        " WHERE position > ? AND position < ? AND kind IN ('join', 'leave') AND payload = ?"
        " ORDER BY position",
        after,
        before,
        user.encode(),
    )


def find_newest_events(query: Query, count: int) -> Sequence[Row]:
    """Return ``message_ts`` and ``payload`` of the newest ``count`` events and messages, newest first."""
    return query.all(
        "SELECT message_ts, payload FROM log WHERE kind IN ('event', 'message', 'app') ORDER BY position DESC LIMIT ?",
        count,
    )


def find_oldest(query: Query) -> int | None:
    """Return the position of the oldest entry."""
    row = query.one("SELECT position FROM log ORDER BY position LIMIT 1")
    return row[0] if row is not None else None


def measure_log(query: Query) -> tuple[int, int, int]:
    """Return how many entries there are and the positions of the oldest and the newest, 0 without entries."""
    row = query.one("SELECT count(*), coalesce(min(position), 0), coalesce(max(position), 0) FROM log")
    return (row[0], row[1], row[2]) if row is not None else (0, 0, 0)


def find_hole(query: Query) -> int | None:
    """Return the first position behind an entry at which there is none: a hole, or the place of the next entry."""
    row = query.one(
        "SELECT min(position) + 1 FROM log"
        " WHERE NOT EXISTS (SELECT 1 FROM log AS next WHERE next.position = log.position + 1)"
    )
    return row[0] if row is not None else None


def find_lost_reference(query: Query) -> int | None:
    """Return the first entry that refers to a message that is missing."""
    row = query.one(f"SELECT min(log.position) FROM {_WITH_MESSAGES} WHERE kind = 'message' AND message.ts IS NULL")
    return row[0] if row is not None else None


def find_lost_entry(query: Query, *, first: int) -> Row | None:
    """Return ``channel`` and ``ts`` of a message whose entry, at ``first`` or later, does not refer to it."""
    return query.one(
        "SELECT channel, ts FROM message LEFT JOIN log ON log.position = message.position"
        " WHERE message.position >= ?"
        " AND (message_ts IS NULL OR message_ts <> ts OR topic <> channel) LIMIT 1",
        first,
    )


def count_early_epochs(query: Query) -> int:
    """Return how many epochs begin beyond the head of the log."""
    row = query.one("SELECT count(*) FROM epoch WHERE start > (SELECT head FROM workspace)")
    return row[0] if row is not None else 0


def measure_oldest(query: Query, *, end: int, count: int) -> list[tuple[int, int]]:
    """Return position and bytes of at most ``count`` of the oldest entries up to ``end``, oldest first.

    An entry that refers to a message has no bytes of its own.
    """
    rows = query.all(
        "SELECT position, length(payload) FROM log WHERE position <= ? ORDER BY position LIMIT ?", end, count
    )
    return [(row[0], row[1]) for row in rows]


def set_event(tx: Statements, position: int, payload: bytes) -> None:
    """Write the event itself into an entry that refers to a message."""
    tx.execute(
        "UPDATE log SET kind = 'event', payload = ?, message_ts = NULL WHERE position = ? AND kind = 'message'",
        payload,
        position,
    )


def delete_entries(tx: Statements, *, end: int) -> None:
    """Delete the entries up to ``end``."""
    tx.execute("DELETE FROM log WHERE position <= ?", end)


def find_epochs(query: Query) -> Sequence[Row]:
    """Return ``id`` and ``start`` of the epochs, oldest first."""
    return query.all("SELECT id, start FROM epoch ORDER BY number")


def add_epoch(tx: Statements, epoch: str) -> None:
    """Store a new epoch that starts at the head of the log."""
    tx.execute("INSERT INTO epoch (id, start) SELECT ?, head FROM workspace", epoch)


def delete_old_epochs(tx: Statements, *, keep: int) -> None:
    """Delete all epochs but the newest ``keep``."""
    tx.execute("DELETE FROM epoch WHERE number <= (SELECT max(number) FROM epoch) - ?", keep)


def find_marked(query: Query, time: float) -> int | None:
    """Return the newest position that was marked at ``time`` or before."""
    row = query.one("SELECT max(position) FROM log_mark WHERE time <= ?", time)
    return row[0] if row is not None else None


def mark_head(tx: Statements, time: int) -> None:
    """Store the time at the head of the log, if the log has grown since the last mark."""
    tx.execute(
        "INSERT INTO log_mark (position, time) SELECT head, ? FROM workspace"
        " WHERE head > (SELECT coalesce(max(position), -1) FROM log_mark)",
        time,
    )


def set_back_marks(tx: Statements, time: int) -> None:
    """Give ``time`` to the marks that are later."""
    tx.execute("UPDATE log_mark SET time = ? WHERE time > ?", time, time)


def delete_marks(tx: Statements, *, before: int) -> None:
    """Delete the marks at positions below ``before``."""
    tx.execute("DELETE FROM log_mark WHERE position < ?", before)


def find_notes(query: Query, topic: str, count: int) -> list[bytes]:
    """Return the payloads of the newest ``count`` entries of kind ``room`` on a topic, oldest first."""
    rows = query.all(
        "SELECT payload FROM log WHERE kind = 'room' AND topic = ? ORDER BY position DESC LIMIT ?", topic, count
    )
    return [bytes(row[0]) for row in reversed(rows)]
