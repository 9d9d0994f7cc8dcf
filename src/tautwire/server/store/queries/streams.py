"""The table ``stream``: messages that grow while they are written."""

from collections.abc import Sequence

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements


def find_stream(query: Query, channel: str, ts: str) -> Row | None:
    """Return ``touched`` (seconds) and ``parts`` (JSON) of a stream."""
    return query.one("SELECT touched, parts FROM stream WHERE channel = ? AND ts = ?", channel, ts)


def find_idle_streams(query: Query, until: int, count: int) -> Sequence[Row]:
    """Return ``channel`` and ``ts`` of at most ``count`` streams that have not grown since ``until``."""
    return query.all(
        "SELECT channel, ts FROM stream WHERE touched <= ? ORDER BY touched, channel, ts LIMIT ?", until, count
    )


def find_longest_idle(query: Query) -> int | None:
    """Return when the stream that is idle for the longest time has grown last, None without streams."""
    row = query.one("SELECT min(touched) FROM stream")
    return row[0] if row is not None else None


def set_stream(tx: Statements, channel: str, ts: str, touched: int, parts: bytes) -> None:
    """Store what a stream consists of now."""
    tx.execute(
        "INSERT INTO stream (channel, ts, touched, parts) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (channel, ts) DO UPDATE SET touched = excluded.touched, parts = excluded.parts",
        channel, ts, touched, parts,
    )  # fmt: skip


def delete_stream(tx: Statements, channel: str, ts: str) -> None:
    """Delete a stream: its message grows no more."""
    tx.execute("DELETE FROM stream WHERE channel = ? AND ts = ?", channel, ts)
