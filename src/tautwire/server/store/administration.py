"""Queries of the administration: what an operator looks for, and lists without a viewer."""

from typing import Protocol

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.records import (
    CHANNELS,
    SLACKBOT_ID,
    USERS,
    ChannelRecord,
    UserRecord,
    channel_record,
    user_record,
)


class Statements(Protocol):
    """Takes statements that change rows; ``log.transaction.Transaction`` does."""

    def execute(self, sql: str, *arguments: object) -> int:
        """Run a statement that changes rows; return how many it changed."""


_NAMED = "kind IN ('public', 'private')"


def users_called(query: Query, text: str) -> list[UserRecord]:
    """Return the users with this id, name or e-mail address, Slackbot left out."""
    rows = query.all(
        f"{USERS} WHERE (id = ? OR name = ? OR email = ?) AND id <> ? ORDER BY id", text, text, text, SLACKBOT_ID
    )
    return [user_record(row) for row in rows]


def user_names_like(query: Query, text: str, count: int) -> list[str]:
    """Return names of users, those nearest in length first."""
    rows = query.all(
        "SELECT name FROM users WHERE id <> ? ORDER BY abs(length(name) - ?), name LIMIT ?",
        SLACKBOT_ID, len(text), count,
    )  # fmt: skip
    return [row[0] for row in rows]


def list_users(query: Query, *, bots: bool, after: str, count: int) -> list[UserRecord]:
    """Return people or bots behind a name, in the order of names, Slackbot left out."""
    rows = query.all(
        f"{USERS} WHERE id <> ? AND bot_id IS {'NOT NULL' if bots else 'NULL'} AND name > ? ORDER BY name LIMIT ?",
        SLACKBOT_ID, after, count,
    )  # fmt: skip
    return [user_record(row) for row in rows]


def channels_called(query: Query, text: str) -> list[ChannelRecord]:
    """Return the channels with this id or name; direct messages by id only."""
    rows = query.all(f"{CHANNELS} WHERE c.id = ? OR (c.name = ? AND c.{_NAMED}) ORDER BY c.id", text, text)
    return [channel_record(row) for row in rows]


def channel_names_like(query: Query, text: str, count: int) -> list[str]:
    """Return names of channels, those nearest in length first."""
    rows = query.all(
        f"SELECT name FROM channel WHERE {_NAMED} ORDER BY abs(length(name) - ?), name LIMIT ?", len(text), count
    )
    return [row[0] for row in rows]


def list_channels(query: Query, *, after: str, count: int) -> list[ChannelRecord]:
    """Return public and private channels behind a name, in the order of names."""
    rows = query.all(f"{CHANNELS} WHERE c.{_NAMED} AND c.name > ? ORDER BY c.name LIMIT ?", after, count)
    return [channel_record(row) for row in rows]


def channels_of(query: Query, user: str) -> list[str]:
    """Return the names of the public and private channels of a user."""
    rows = query.all(
        "SELECT c.name FROM membership m JOIN channel c ON c.id = m.channel"
        f" WHERE m.user_id = ? AND c.{_NAMED} ORDER BY c.name",
        user,
    )
    return [row[0] for row in rows]


def list_members(query: Query, channel: str, *, after: str, count: int) -> list[UserRecord]:
    """Return members of a channel behind a name, in the order of names."""
    rows = query.all(
        f"{USERS} WHERE id IN (SELECT user_id FROM membership WHERE channel = ?) AND name > ? ORDER BY name LIMIT ?",
        channel, after, count,
    )  # fmt: skip
    return [user_record(row) for row in rows]


def find_general(query: Query) -> str | None:
    """Return the id of the general channel."""
    row = query.one("SELECT id FROM channel WHERE general")
    return row["id"] if row is not None else None


def find_workspace(query: Query) -> Row | None:
    """Return ``id``, ``name``, ``domain`` and ``icon`` of the workspace."""
    return query.one("SELECT id, name, domain, icon FROM workspace")


def set_workspace(tx: Statements, *, name: str, domain: str, icon: str) -> None:
    """Store the name, domain and picture of the workspace."""
    tx.execute("UPDATE workspace SET name = ?, domain = ?, icon = ?", name, domain, icon)
