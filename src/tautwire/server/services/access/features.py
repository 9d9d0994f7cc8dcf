"""What people can ask an app for: its slash commands, its shortcuts, and whether it takes part in interactions.

The functions that take a transaction are units. Doors read the tables when a person acts, so a change has effect on the
next act, on every node. Source: wire/interactivity.md#slash-commands and #shortcuts.
"""

import re
import secrets
from typing import Final, Literal

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.access.subscriptions import is_request_url
from tautwire.server.services.errors import MethodError
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.queries.apps import find_app, find_signing_secret, set_signing_secret
from tautwire.server.store.queries.features import (
    find_command,
    find_command_of,
    find_commands,
    find_interactivity,
    find_shortcuts,
    replace_commands,
    replace_shortcuts,
    set_interactivity,
)

MAX_COMMANDS: Final = 100
"""Slash commands of an app (ours)."""
MAX_SHORTCUTS: Final = 10
"""Shortcuts of an app. Source: wire/interactivity.md#shortcuts (documented)."""
_NAME: Final = re.compile(r"/[^\s/A-Z]{1,31}")
"""Names of commands. Source: wire/interactivity.md#slash-commands (the length documented, the rest uncertain)."""
MAX_WORDS: Final = 2_000
"""Characters of a description or a hint (ours)."""
MAX_CALLBACK_ID: Final = 255

ShortcutKind = Literal["global", "message"]


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A slash command of an app."""

    name: str
    """With the slash."""
    url: str | None = None
    """Where the app is asked over HTTP; that is the only way without Socket Mode."""
    description: str = ""
    usage_hint: str = ""
    should_escape: bool = False
    """Whether users, channels and URLs in its text are sent as links."""


class Shortcut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shortcut of an app: of the whole workspace, or of a message."""

    callback_id: str
    name: str = ""
    type: ShortcutKind = "global"
    description: str = ""


class Interactivity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether an app takes part in interactions, and where it is asked over HTTP."""

    is_enabled: bool = False
    request_url: str | None = None
    options_url: str | None = None
    """Where the options of menus are asked for; ``request_url`` if None."""


class Features(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What people can ask an app for."""

    commands: tuple[Command, ...] = ()
    shortcuts: tuple[Shortcut, ...] = ()
    interactivity: Interactivity = Interactivity()


class Route(msgspec.Struct, frozen=True):
    """The way by which an app is asked. Empty URLs are those that it does not have."""

    is_interactive: bool
    socket_mode: bool
    request_url: str
    options_url: str
    command_url: str
    """Of the command that is asked for."""
    signing_secret: str

    def __repr__(self) -> str:
        return f"Route(socket_mode={self.socket_mode!r}, …)"


class Owned(msgspec.Struct, frozen=True):
    """A slash command and the app that has it."""

    app: str
    command: Command


def configure(tx: Transaction, app: str, features: Features) -> None:
    """Replace what people can ask an app for. An app with a URL and no signing secret gets one.

    A command that the app had before keeps its place among the apps that have one of the same name.

    Raises:
        MethodError: app_not_found; invalid_command, invalid_shortcut or invalid_request_url (ours), with what is wrong
            in ``value``.
    """
    record = find_app(tx, app)
    if record is None or record.deleted is not None:
        raise MethodError("app_not_found")
    check(features)
    before = {row["name"]: row["added"] for row in find_commands(tx, app)}
    interactivity = features.interactivity
    set_interactivity(
        tx, app, is_on=interactivity.is_enabled, request_url=interactivity.request_url,
        options_url=interactivity.options_url,
    )  # fmt: skip
    replace_commands(tx, app, [
        (each.name, each.url, each.description, each.usage_hint, each.should_escape, before.get(each.name, tx.now))
        for each in features.commands
    ])  # fmt: skip
    replace_shortcuts(
        tx, app, [(each.callback_id, each.type, each.name, each.description) for each in features.shortcuts]
    )
    if _urls(features) and find_signing_secret(tx, app) is None:
        set_signing_secret(tx, app, secrets.token_hex(16))


def check(features: Features) -> None:
    """Raise ``MethodError`` if features are not valid, as ``configure`` does."""
    names = [each.name for each in features.commands]
    for name in names:
        if _NAME.fullmatch(name) is None or names.count(name) > 1 or len(names) > MAX_COMMANDS:
            raise MethodError("invalid_command", value=name[:MAX_CALLBACK_ID])
    ids = [(each.type, each.callback_id) for each in features.shortcuts]
    for kind, callback_id in ids:
        is_long = len(callback_id) > MAX_CALLBACK_ID or len(ids) > MAX_SHORTCUTS
        if not callback_id or is_long or ids.count((kind, callback_id)) > 1:
            raise MethodError("invalid_shortcut", value=callback_id[:MAX_CALLBACK_ID])
    for command in features.commands:
        if len(command.description) > MAX_WORDS or len(command.usage_hint) > MAX_WORDS:
            raise MethodError("invalid_command", value=command.name)
    for shortcut in features.shortcuts:
        if len(shortcut.description) > MAX_WORDS or len(shortcut.name) > MAX_WORDS:
            raise MethodError("invalid_shortcut", value=shortcut.callback_id)
    for url in _urls(features):
        if not is_request_url(url):
            raise MethodError("invalid_request_url", value=url[:MAX_CALLBACK_ID])


def read_features(query: Query, app: str) -> Features:
    """Return what people can ask an app for; of an app that is not there or deleted, nothing."""
    row = find_interactivity(query, app)
    if row is None:
        return Features()
    return Features(
        commands=tuple(_command(each) for each in find_commands(query, app)),
        shortcuts=tuple(
            Shortcut(
                callback_id=each["callback_id"], name=each["name"], type=each["kind"], description=each["description"]
            )
            for each in find_shortcuts(query, app)
        ),
        interactivity=Interactivity(
            is_enabled=bool(row["interactive"]), request_url=row["interactivity_url"], options_url=row["options_url"]
        ),
    )


def find_owner(query: Query, name: str) -> Owned | None:
    """Return the slash command that people use by a name: of the app that added it last."""
    row = find_command(query, name)
    return None if row is None else Owned(row["app_id"], _command(row))


def find_route(query: Query, app: str, command: str = "") -> Route | None:
    """Return the way by which an app is asked, None if it is not there, is deleted, or has no such command."""
    row = find_interactivity(query, app)
    owned = find_command_of(query, app, command) if command else None
    if row is None or (command and owned is None):
        return None
    return Route(
        bool(row["interactive"]), bool(row["socket_mode"]), row["interactivity_url"] or "", row["options_url"] or "",
        (owned["url"] or "") if owned is not None else "", row["signing_secret"] or "",
    )  # fmt: skip


def _command(row: Row) -> Command:
    return Command(
        name=row["name"], url=row["url"], description=row["description"], usage_hint=row["usage_hint"],
        should_escape=bool(row["should_escape"]),
    )  # fmt: skip


def _urls(features: Features) -> list[str]:
    urls = [features.interactivity.request_url, features.interactivity.options_url]
    return [url for url in (*urls, *(each.url for each in features.commands)) if url is not None]
