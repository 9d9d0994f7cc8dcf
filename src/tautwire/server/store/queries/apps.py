"""The table ``app``: what owns a bot and tokens."""

import msgspec

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements, marks


class AppRecord(msgspec.Struct, frozen=True, gc=False):
    """An app, without its secrets. Times are in seconds."""

    id: str
    name: str
    bot_user: str | None
    client_id: str | None
    """None until the app gets its secrets."""
    created: int
    deleted: int | None = None
    socket_mode: bool = False
    """Whether it gets its events over Socket Mode."""


_COLUMNS = AppRecord.__struct_fields__
_APPS = f"SELECT {', '.join(_COLUMNS)} FROM app"


def find_app(query: Query, app: str) -> AppRecord | None:
    """Return the app with this id, also a deleted one."""
    return _record(query.one(f"{_APPS} WHERE id = ?", app))


def find_app_by_name(query: Query, name: str) -> AppRecord | None:
    """Return the app with this name that is not deleted."""
    return _record(query.one(f"{_APPS} WHERE name = ? AND deleted IS NULL", name))


def find_apps(query: Query) -> list[AppRecord]:
    """Return all apps that are not deleted, in the order of names."""
    return [_read(row) for row in query.all(f"{_APPS} WHERE deleted IS NULL ORDER BY name, id")]


def apps_called(query: Query, text: str) -> list[AppRecord]:
    """Return the apps with this id or name that are not deleted."""
    rows = query.all(f"{_APPS} WHERE (id = ? OR name = ?) AND deleted IS NULL ORDER BY id", text, text)
    return [_read(row) for row in rows]


def app_names_like(query: Query, text: str, count: int) -> list[str]:
    """Return names of apps, those nearest in length first."""
    rows = query.all(
        "SELECT name FROM app WHERE deleted IS NULL ORDER BY abs(length(name) - ?), name LIMIT ?", len(text), count
    )
    return [row[0] for row in rows]


def list_apps(query: Query, *, after: str, count: int) -> list[AppRecord]:
    """Return apps behind a name that are not deleted, in the order of names."""
    rows = query.all(f"{_APPS} WHERE deleted IS NULL AND name > ? ORDER BY name LIMIT ?", after, count)
    return [_read(row) for row in rows]


def add_app(tx: Statements, app: AppRecord) -> None:
    """Store a new app; its bot user is stored."""
    values = [getattr(app, column) for column in _COLUMNS]
    tx.execute(f"INSERT INTO app ({', '.join(_COLUMNS)}) VALUES ({marks(values)})", *values)


def set_app_secrets(
    tx: Statements, app: str, *, client_id: str, client_secret_hash: bytes, signing_secret: str
) -> None:
    """Store the secrets of an app."""
    tx.execute(
        "UPDATE app SET client_id = ?, client_secret_hash = ?, signing_secret = ? WHERE id = ?",
        client_id, client_secret_hash, signing_secret, app,
    )  # fmt: skip


def set_signing_secret(tx: Statements, app: str, secret: str) -> None:
    """Store the secret with which requests to an app are signed."""
    tx.execute("UPDATE app SET signing_secret = ? WHERE id = ?", secret, app)


def find_signing_secret(query: Query, app: str) -> str | None:
    """Return the secret with which requests to an app are signed, None if it has none."""
    row = query.one("SELECT signing_secret FROM app WHERE id = ?", app)
    return row["signing_secret"] if row is not None else None


def find_signing_secrets(query: Query) -> dict[str, str]:
    """Return the same of all apps that have one, by app."""
    return {row[0]: row[1] for row in query.all("SELECT id, signing_secret FROM app WHERE signing_secret IS NOT NULL")}


def set_app_deleted(tx: Statements, app: str, *, deleted: int) -> None:
    """Store when an app was deleted."""
    tx.execute("UPDATE app SET deleted = ? WHERE id = ?", deleted, app)


def _record(row: Row | None) -> AppRecord | None:
    return _read(row) if row is not None else None


def _read(row: Row) -> AppRecord:
    id_, name, bot_user, client_id, created, deleted, socket_mode = row
    return AppRecord(id_, name, bot_user, client_id, created, deleted, bool(socket_mode))
