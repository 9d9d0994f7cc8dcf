"""The table ``users``: people and bots."""

from collections.abc import Sequence

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.records import SLACKBOT_ID, UserRecord
from tautwire.server.store.statements import Statements, marks

_COLUMNS = UserRecord.__struct_fields__
_USERS = f"SELECT {', '.join(_COLUMNS)} FROM users"


def find_user(query: Query, user: str) -> UserRecord | None:
    """Return the user with this id."""
    return _record(query.one(f"{_USERS} WHERE id = ?", user))


def find_user_by_name(query: Query, name: str) -> UserRecord | None:
    """Return the user with this name, without ``@``."""
    return _record(query.one(f"{_USERS} WHERE name = ?", name))


def find_user_by_email(query: Query, email: str) -> UserRecord | None:
    """Return the user with this address who is not deactivated, in whatever case it is written."""
    return _record(query.one(f"{_USERS} WHERE lower(email) = lower(?) AND NOT deleted ORDER BY id", email))


def find_users_by_ids(query: Query, users: Sequence[str]) -> dict[str, UserRecord]:
    """Return the users with these ids, by id."""
    found = [_read(row) for row in query.all(f"{_USERS} WHERE id IN ({marks(users)})", *users)]
    return {user.id: user for user in found}


def find_bot(query: Query, bot: str) -> UserRecord | None:
    """Return the user of the bot with this id, ``B…``."""
    return _record(query.one(f"{_USERS} WHERE bot_id = ?", bot))


def find_users(query: Query, after: str, count: int) -> list[UserRecord]:
    """Return at most ``count`` users behind the id ``after``, in the order of ids; an empty id is before all."""
    return [_read(row) for row in query.all(f"{_USERS} WHERE id > ? ORDER BY id LIMIT ?", after, count)]


def users_called(query: Query, text: str) -> list[UserRecord]:
    """Return the users with this id, name or e-mail address, Slackbot left out."""
    rows = query.all(
        f"{_USERS} WHERE (id = ? OR name = ? OR email = ?) AND id <> ? ORDER BY id", text, text, text, SLACKBOT_ID
    )
    return [_read(row) for row in rows]


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
        f"{_USERS} WHERE id <> ? AND bot_id IS {'NOT NULL' if bots else 'NULL'} AND name > ? ORDER BY name LIMIT ?",
        SLACKBOT_ID, after, count,
    )  # fmt: skip
    return [_read(row) for row in rows]


def list_members(query: Query, channel: str, *, after: str, count: int) -> list[UserRecord]:
    """Return members of a channel behind a name, in the order of names."""
    rows = query.all(
        f"{_USERS} WHERE id IN (SELECT user_id FROM membership WHERE channel = ?) AND name > ? ORDER BY name LIMIT ?",
        channel, after, count,
    )  # fmt: skip
    return [_read(row) for row in rows]


def find_user_ids(query: Query, *, without: str) -> dict[str, str]:
    """Return the ids of all users but one, by name, in the order of names."""
    rows = query.all("SELECT name, id FROM users WHERE id <> ? ORDER BY name", without)
    return {row[0]: row[1] for row in rows}


def find_away_users(query: Query) -> set[str]:
    """Return the ids of the users who have set themselves away."""
    return {row[0] for row in query.all("SELECT id FROM users WHERE away")}


def find_bot_users(query: Query) -> set[str]:
    """Return the ids of the users that are bots."""
    return {row[0] for row in query.all("SELECT id FROM users WHERE bot_id IS NOT NULL")}


def add_user(tx: Statements, user: UserRecord) -> None:
    """Store a new user."""
    values = [getattr(user, column) for column in _COLUMNS]
    tx.execute(f"INSERT INTO users ({', '.join(_COLUMNS)}) VALUES ({marks(values)})", *values)


def set_profile(tx: Statements, user: UserRecord) -> None:
    """Store the names, the address and the profile of a user, and when they were set."""
    tx.execute(
        "UPDATE users SET real_name = ?, email = ?, profile = ?, updated = ? WHERE id = ?",
        user.real_name, user.email, user.profile, user.updated, user.id,
    )  # fmt: skip


def set_deleted(tx: Statements, user: str, *, deleted: bool, updated: int) -> None:
    """Store whether a user is deactivated."""
    tx.execute("UPDATE users SET deleted = ?, updated = ? WHERE id = ?", deleted, updated, user)


def set_away(tx: Statements, user: str, *, away: bool) -> None:
    """Store whether the user has set themselves away."""
    tx.execute("UPDATE users SET away = ? WHERE id = ?", away, user)


def _record(row: Row | None) -> UserRecord | None:
    return _read(row) if row is not None else None


def _read(row: Row) -> UserRecord:
    id_, name, real_name, email, deleted, away, *rest = row
    return UserRecord(id_, name, real_name, email, bool(deleted), bool(away), *rest)  # SQLite has numbers for truth
