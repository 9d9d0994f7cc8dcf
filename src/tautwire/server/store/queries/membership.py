"""The table ``membership``: the members of channels, and what each of them has read."""

from collections.abc import Sequence

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.records import Mark
from tautwire.server.store.statements import Statements, marks


def find_members(query: Query, channel: str, after: str, count: int) -> list[str]:
    """Return the ids of at most ``count`` members of a channel behind the id ``after``, in their order."""
    rows = query.all(
        "SELECT user_id FROM membership WHERE channel = ? AND user_id > ? ORDER BY user_id LIMIT ?",
        channel,
        after,
        count,
    )
    return [row[0] for row in rows]


def find_all_members(query: Query, channel: str) -> list[str]:
    """Return the ids of all members of a channel."""
    return [row[0] for row in query.all("SELECT user_id FROM membership WHERE channel = ?", channel)]


def find_closed(query: Query, channel: str) -> list[str]:
    """Return the ids of the members who have closed a direct message."""
    return [row[0] for row in query.all("SELECT user_id FROM membership WHERE channel = ? AND NOT open", channel)]


def count_members(query: Query, channels: Sequence[str]) -> dict[str, int]:
    """Return the number of members of each channel that has any."""
    rows = query.all(
        f"SELECT channel, count(*) FROM membership WHERE channel IN ({marks(channels)}) GROUP BY channel", *channels
    )
    return {row[0]: row[1] for row in rows}


def join_members(query: Query, channels: Sequence[str]) -> dict[str, str]:
    """Return the ids of each channel's members as one text, separated by commas: a row for each would be slow."""
    rows = query.all(
        f"SELECT channel, group_concat(user_id) FROM membership WHERE channel IN ({marks(channels)}) GROUP BY channel",
        *channels,
    )
    return {row[0]: row[1] for row in rows}


def find_membership(query: Query, channel: str, user: str) -> Row | None:
    """Return ``joined``, ``last_read_ts`` and ``open`` of a member, None for other users."""
    return query.one(
        "SELECT joined, last_read_ts, open FROM membership WHERE channel = ? AND user_id = ?", channel, user
    )


def find_all_memberships(query: Query) -> Sequence[Row]:
    """Return ``user_id`` and ``channel`` of every membership."""
    return query.all("SELECT user_id, channel FROM membership")


def find_marks(query: Query, channels: Sequence[str], user: str) -> dict[str, Mark]:
    """Return the marks of a user by channel, for those of the channels with the user as member."""
    rows = query.all(
        f"SELECT channel, last_read_ts, open FROM membership WHERE user_id = ? AND channel IN ({marks(channels)})",
        user, *channels,
    )  # fmt: skip
    return {channel: Mark(last_read, bool(is_open)) for channel, last_read, is_open in rows}


def add_member(tx: Statements, channel: str, user: str, joined: int) -> None:
    """Store a new member of a channel; ``joined`` is in microseconds."""
    tx.execute("INSERT INTO membership (channel, user_id, joined) VALUES (?, ?, ?)", channel, user, joined)


def remove_member(tx: Statements, channel: str, user: str) -> None:
    """Delete a member of a channel."""
    tx.execute("DELETE FROM membership WHERE channel = ? AND user_id = ?", channel, user)


def set_last_read(tx: Statements, channel: str, user: str, ts: str) -> None:
    """Store the reading mark of a member."""
    tx.execute("UPDATE membership SET last_read_ts = ? WHERE channel = ? AND user_id = ?", ts, channel, user)


def set_open(tx: Statements, channel: str, user: str, *, is_open: bool) -> None:
    """Store whether a member has a direct message among the open ones."""
    tx.execute("UPDATE membership SET open = ? WHERE channel = ? AND user_id = ?", is_open, channel, user)
