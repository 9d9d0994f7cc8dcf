"""The tables ``app_command`` and ``app_shortcut``, and the columns of ``app`` for interactivity."""

from collections.abc import Iterable, Sequence

from tautwire.server.store.engine import Query, Row
from tautwire.server.store.statements import Statements


def set_interactivity(
    tx: Statements, app: str, *, is_on: bool, request_url: str | None, options_url: str | None
) -> None:
    """Store whether an app takes part in interactions, and where over HTTP."""
    tx.execute(
        "UPDATE app SET interactive = ?, interactivity_url = ?, options_url = ? WHERE id = ?",
        is_on, request_url, options_url, app,
    )  # fmt: skip


def find_interactivity(query: Query, app: str) -> Row | None:
    """Return ``interactive``, ``interactivity_url``, ``options_url``, ``socket_mode`` and ``signing_secret`` of an app
    that is not deleted.
    """
    return query.one(
        "SELECT interactive, interactivity_url, options_url, socket_mode, signing_secret FROM app"
        " WHERE id = ? AND deleted IS NULL",
        app,
    )


def replace_commands(tx: Statements, app: str, commands: Iterable[tuple[str, str | None, str, str, bool, int]]) -> None:
    """Store the slash commands of an app in place of those before: name, URL, description, usage hint, whether the
    text is escaped, and when the command was added.
    """
    tx.execute("DELETE FROM app_command WHERE app_id = ?", app)
    for command in commands:
        tx.execute(
            "INSERT INTO app_command (app_id, name, url, description, usage_hint, should_escape, added)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            app, *command,
        )  # fmt: skip


def find_commands(query: Query, app: str) -> Sequence[Row]:
    """Return the slash commands of an app, in the order of names."""
    return query.all(f"{_COMMANDS} WHERE c.app_id = ? ORDER BY c.name", app)


def find_command(query: Query, name: str) -> Row | None:
    """Return the slash command with a name; of several apps that are not deleted, the one that added it last."""
    return query.one(
        f"{_COMMANDS} JOIN app a ON a.id = c.app_id WHERE c.name = ? AND a.deleted IS NULL"
        " ORDER BY c.added DESC, c.app_id DESC LIMIT 1",
        name,
    )


_COMMANDS = "SELECT c.app_id, c.name, c.url, c.description, c.usage_hint, c.should_escape, c.added FROM app_command c"


def find_command_of(query: Query, app: str, name: str) -> Row | None:
    """Return a slash command of an app."""
    return query.one(f"{_COMMANDS} WHERE c.app_id = ? AND c.name = ?", app, name)


def replace_shortcuts(tx: Statements, app: str, shortcuts: Iterable[tuple[str, str, str, str]]) -> None:
    """Store the shortcuts of an app in place of those before: callback id, kind, name and description."""
    tx.execute("DELETE FROM app_shortcut WHERE app_id = ?", app)
    for shortcut in shortcuts:
        tx.execute(
            "INSERT INTO app_shortcut (app_id, callback_id, kind, name, description) VALUES (?, ?, ?, ?, ?)",
            app, *shortcut,
        )  # fmt: skip


def find_shortcuts(query: Query, app: str) -> Sequence[Row]:
    """Return ``callback_id``, ``kind``, ``name`` and ``description`` of the shortcuts of an app."""
    return query.all(
        "SELECT callback_id, kind, name, description FROM app_shortcut WHERE app_id = ? ORDER BY kind, callback_id", app
    )


def find_apps_of_shortcut(query: Query, callback_id: str, kind: str) -> list[str]:
    """Return the ids of the apps that are not deleted and have a shortcut."""
    rows = query.all(
        "SELECT s.app_id FROM app_shortcut s JOIN app a ON a.id = s.app_id"
        " WHERE s.callback_id = ? AND s.kind = ? AND a.deleted IS NULL ORDER BY s.app_id",
        callback_id, kind,
    )  # fmt: skip
    return [row[0] for row in rows]
