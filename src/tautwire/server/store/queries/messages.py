"""The table ``message``: messages of all channels, with replies.

The body is the JSON of the message object. A row whose ``position`` is not empty is also the event of the log entry at
that position, until the row changes (``store.queries.log.set_event``).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from tautwire.server.store.engine import Insert, Query, Row
from tautwire.server.store.statements import Statements, marks


class MessageRow(NamedTuple):
    """A new message, for ``insert(MESSAGE, …)``: posting gathers its row and runs no statement."""

    channel: str
    ts: str
    user_id: str
    thread_ts: str | None
    in_channel: bool
    """Whether the message is in the history of its channel; a reply is if it was broadcast."""
    body: bytes
    position: int
    """Of the log entry that refers to the row."""


MESSAGE: Final = Insert("message", MessageRow._fields)


class Span(NamedTuple):
    """A range of timestamps.

    It has one bound on each side: given two lower bounds, SQLite seeks to the first and scans every row to the second.
    """

    low: str
    high: str
    includes_low: bool = True
    includes_high: bool = True

    @property
    def condition(self) -> str:
        """The condition, with marks for ``low`` and ``high``."""
        return f"ts {'>=' if self.includes_low else '>'} ? AND ts {'<=' if self.includes_high else '<'} ?"


def find_message(query: Query, channel: str, ts: str) -> Row | None:
    """Return ``ts``, ``user_id``, ``thread_ts`` and ``body`` of a message."""
    return query.one("SELECT ts, user_id, thread_ts, body FROM message WHERE channel = ? AND ts = ?", channel, ts)


def find_messages(query: Query, channel: str, stamps: Sequence[str]) -> Sequence[Row]:
    """Return ``ts``, ``user_id``, ``thread_ts`` and ``body`` of messages of a channel."""
    return query.all(
        f"SELECT ts, user_id, thread_ts, body FROM message WHERE channel = ? AND ts IN ({marks(stamps)})",
        channel, *stamps,
    )  # fmt: skip


def find_newest_message(query: Query, channel: str) -> Row | None:
    """Return the ``body`` of the newest message in the history of a channel."""
    return query.one("SELECT body FROM message WHERE channel = ? AND in_channel ORDER BY ts DESC LIMIT 1", channel)


def count_unread(query: Query, channel: str, *, after: str, user: str, limit: int) -> int:
    """Return how many of the newest ``limit`` messages in a channel's history behind ``after`` are of other users."""
    row = query.one(
        "SELECT count(*) FROM (SELECT user_id FROM message WHERE channel = ? AND ts > ? AND in_channel"
        " ORDER BY ts DESC LIMIT ?) AS fresh WHERE user_id <> ?",
        channel, after, limit, user,
    )  # fmt: skip
    return row[0] if row is not None else 0


def measure_history(query: Query, channel: str, span: Span, count: int) -> Sequence[Row]:
    """Return ts and bytes of at most ``count`` messages in a channel's history, newest first."""
    return query.all(
        f"SELECT ts, length(body) FROM message WHERE channel = ? AND in_channel AND {span.condition}"
        " ORDER BY ts DESC LIMIT ?",
        channel, span.low, span.high, count,
    )  # fmt: skip


def find_history(query: Query, channel: str, span: Span) -> Sequence[Row]:
    """Return ``ts``, ``thread_ts`` and ``body`` of the messages in a channel's history, newest first."""
    return query.all(
        f"SELECT ts, thread_ts, body FROM message WHERE channel = ? AND in_channel AND {span.condition}"
        " ORDER BY ts DESC",
        channel, span.low, span.high,
    )  # fmt: skip


def measure_replies(query: Query, channel: str, parent: str, span: Span, count: int) -> Sequence[Row]:
    """Return ts and bytes of at most ``count`` replies to a message, oldest first."""
    return query.all(
        f"SELECT ts, length(body) FROM message WHERE channel = ? AND thread_ts = ? AND {span.condition}"
        " ORDER BY ts LIMIT ?",
        channel, parent, span.low, span.high, count,
    )  # fmt: skip


def find_replies(query: Query, channel: str, parent: str, span: Span) -> Sequence[Row]:
    """Return ``ts``, ``thread_ts`` and ``body`` of the replies to a message, oldest first."""
    return query.all(
        f"SELECT ts, thread_ts, body FROM message WHERE channel = ? AND thread_ts = ? AND {span.condition} ORDER BY ts",
        channel, parent, span.low, span.high,
    )  # fmt: skip


def has_replies(query: Query, channel: str, parent: str) -> bool:
    """Whether a message has replies."""
    return query.one("SELECT 1 FROM message WHERE channel = ? AND thread_ts = ? LIMIT 1", channel, parent) is not None


def count_replies(query: Query, channel: str, parents: Sequence[str]) -> Sequence[Row]:
    """Return ``thread_ts``, ``user_id``, the number of ``replies`` and the ``latest`` one, for each parent and user.

    The users of a thread are in the order of their first replies.
    """
    return query.all(
        "SELECT thread_ts, user_id, count(*) AS replies, max(ts) AS latest FROM message WHERE channel = ?"
        f" AND thread_ts IN ({marks(parents)}) GROUP BY thread_ts, user_id ORDER BY thread_ts, min(ts)",
        channel, *parents,
    )  # fmt: skip


def find_logged(query: Query, channel: str, ts: str) -> Row | None:
    """Return ``position`` and ``body`` of a message whose log entry refers to its row, else None."""
    return query.one(
        "SELECT position, body FROM message WHERE channel = ? AND ts = ? AND position IS NOT NULL", channel, ts
    )


def clear_position(tx: Statements, channel: str, ts: str) -> None:
    """Store that no log entry refers to the row of a message any more."""
    tx.execute("UPDATE message SET position = NULL WHERE channel = ? AND ts = ?", channel, ts)


def set_body(tx: Statements, channel: str, ts: str, body: bytes) -> None:
    """Replace the message object of a message."""
    tx.execute("UPDATE message SET body = ? WHERE channel = ? AND ts = ?", body, channel, ts)


def delete_message(tx: Statements, channel: str, ts: str) -> None:
    """Delete a message."""
    tx.execute("DELETE FROM message WHERE channel = ? AND ts = ?", channel, ts)
