"""Queries of the administration: what an operator looks for, and lists without a viewer."""

from typing import NamedTuple

from tautwire.server.store.apps import AppRecord
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
from tautwire.server.store.statements import Statements
from tautwire.server.store.tokens import TokenRecord

_APPS = f"SELECT {', '.join(AppRecord.__struct_fields__)} FROM app"
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


class TokenRow(NamedTuple):
    """A token and the name of its user or app."""

    token: TokenRecord
    holder: str


def list_tokens(
    query: Query,
    *,
    user: str | None = None,
    app: str | None = None,
    token: str | None = None,
    digest: bytes | None = None,
    revoked: bool,
    after: str = "",
    count: int,
) -> list[TokenRow]:
    """Return tokens behind an id, in the order of ids; of a user, of an app, or the one with an id or hash."""
    wanted: dict[str, object] = {"t.user_id": user, "t.app_id": app, "t.id": token, "t.hash": digest}
    conditions = [f"{column} = ?" for column, value in wanted.items() if value is not None]
    if not revoked:
        conditions.append("t.revoked IS NULL")
    columns = ", ".join(f"t.{column}" for column in TokenRecord.__struct_fields__)
    rows = query.all(
        f"SELECT {columns}, coalesce(u.name, a.name) FROM token t LEFT JOIN users u ON u.id = t.user_id"
        f" LEFT JOIN app a ON a.id = t.app_id WHERE {' AND '.join([*conditions, 't.id > ?'])} ORDER BY t.id LIMIT ?",
        *(value for value in wanted.values() if value is not None), after, count,
    )  # fmt: skip
    return [TokenRow(TokenRecord(*values), holder) for *values, holder in rows]


def apps_called(query: Query, text: str) -> list[AppRecord]:
    """Return the apps with this id or name that are not deleted."""
    rows = query.all(f"{_APPS} WHERE (id = ? OR name = ?) AND deleted IS NULL ORDER BY id", text, text)
    return [AppRecord(*row) for row in rows]


def app_names_like(query: Query, text: str, count: int) -> list[str]:
    """Return names of apps, those nearest in length first."""
    rows = query.all(
        "SELECT name FROM app WHERE deleted IS NULL ORDER BY abs(length(name) - ?), name LIMIT ?", len(text), count
    )
    return [row[0] for row in rows]


def list_apps(query: Query, *, after: str, count: int) -> list[AppRecord]:
    """Return apps behind a name that are not deleted, in the order of names."""
    rows = query.all(f"{_APPS} WHERE deleted IS NULL AND name > ? ORDER BY name LIMIT ?", after, count)
    return [AppRecord(*row) for row in rows]
