"""The first content of a workspace: its form, from a seed file or a small sample, and its checks. Pure, but for files.

``planting`` puts it into a database. A bot belongs to an app: ``bots`` is the short form of an app with the scopes of
a classic bot and one token.
"""

import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from tautwire.protocol.errors import TautwireError
from tautwire.server.services.access.features import (
    Command,
    Features,
    Interactivity,
    Shortcut,
    check,
)
from tautwire.server.services.access.identity import UMBRELLA
from tautwire.server.services.access.subscriptions import BOT_EVENTS, USER_EVENTS, is_request_url
from tautwire.server.services.errors import MethodError
from tautwire.server.services.interactivity import webhooks
from tautwire.server.services.interactivity.webhooks import MAX_WEBHOOKS
from tautwire.server.services.manifests.reading import (
    MAX_SIZE,
    Described,
    ManifestError,
    Tree,
    describe,
    read_yaml,
)
from tautwire.server.store.records import SLACKBOT_NAME

log = logging.getLogger("tautwire.server")

Name = Annotated[str, msgspec.Meta(pattern=r"^[\w.-]{1,80}$")]
Scope = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_.:-]{0,79}$")]


class SeedError(TautwireError):
    """The seed file cannot be used; the text says where and why."""


class SeedTeam(msgspec.Struct, forbid_unknown_fields=True):
    """The name and domain of the workspace."""

    name: str = "tautwire"
    domain: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,60}$")] = "tautwire"


class SeedUser(msgspec.Struct, forbid_unknown_fields=True):
    """A person or a bot."""

    name: Name
    real_name: str = ""
    email: str | None = None


class SeedInteractivity(msgspec.Struct, forbid_unknown_fields=True):
    """Where an app is asked over HTTP when people act; ``options_url`` for the options of its menus."""

    request_url: str | None = None
    options_url: str | None = None


class SeedApp(msgspec.Struct, forbid_unknown_fields=True):
    """An app with a bot user of the same name.

    Attributes:
        scopes: of the bot token; those of a classic bot if there are none.
        tokens: which tokens it has; without them a bot token and, for Socket Mode, an app-level one.
        socket_mode: whether it gets its events over Socket Mode.
        request_url: where it gets its events over HTTP, if not over Socket Mode.
        bot_events: the events to which its bot subscribes, by the names of a manifest.
        user_events: the events to which it subscribes for the people who authorise it.
        commands: its slash commands, by name or with all they have.
        interactivity: whether it takes part in interactions; with URLs if not over Socket Mode.
        shortcuts: its shortcuts.
        webhooks: the channels into which it posts by an incoming webhook each.
        manifest: the file of its manifest, relative to the seed file; then only ``tokens`` and ``webhooks`` may stand
            beside it. Once the seed is read, the manifest itself.
    """

    name: Name = ""
    real_name: str = ""
    scopes: list[Scope] = []
    tokens: list[Literal["bot", "app"]] | None = None
    socket_mode: bool = False
    bot_events: list[str] = []
    request_url: str | None = None
    user_events: list[str] = []
    commands: list[str | Command] = []
    interactivity: bool | SeedInteractivity = False
    shortcuts: list[Shortcut] = []
    webhooks: Annotated[list[Name], msgspec.Meta(max_length=MAX_WEBHOOKS)] = []
    manifest: str | Tree | None = None

    @property
    def described(self) -> Described | None:
        """Its manifest, None without one."""
        return describe(self.manifest) if isinstance(self.manifest, dict) else None

    @property
    def bot(self) -> str:
        """The name of its bot."""
        described = self.described
        return described.manifest.bot_name if described is not None else self.name

    @property
    def may_have_webhooks(self) -> bool:
        """Whether its scopes permit incoming webhooks; those of a classic bot do."""
        described = self.described
        scopes = described.manifest.bot_scopes if described is not None else self.scopes or (UMBRELLA,)
        return not {UMBRELLA, webhooks.SCOPE}.isdisjoint(scopes)

    @property
    def features(self) -> Features:
        """What people can ask the app for."""
        given = self.interactivity
        urls = (given.request_url, given.options_url) if isinstance(given, SeedInteractivity) else (None, None)
        return Features(
            commands=tuple(each if isinstance(each, Command) else Command(name=each) for each in self.commands),
            shortcuts=tuple(self.shortcuts),
            interactivity=Interactivity(is_enabled=given is not False, request_url=urls[0], options_url=urls[1]),
        )


class SeedChannel(msgspec.Struct, forbid_unknown_fields=True):
    """A channel and its members; without ``members`` all users, bots and apps of the file."""

    name: Name
    private: bool = False
    members: list[str] | None = None
    topic: str = ""
    purpose: str = ""


class Seed(msgspec.Struct, forbid_unknown_fields=True):
    """The content of a seed file; see docs/reference/seed.md."""

    team: SeedTeam = msgspec.field(default_factory=SeedTeam)
    users: list[SeedUser] = []
    bots: list[SeedUser] = []
    apps: list[SeedApp] = []
    channels: list[SeedChannel] = []


SAMPLE: Final = Seed(
    team=SeedTeam(name="Sample", domain="sample"),
    users=[
        SeedUser(name="alice", real_name="Alice Example", email="alice@example.test"),
        SeedUser(name="bob", real_name="Bob Example", email="bob@example.test"),
    ],
    bots=[SeedUser(name="relaybot", real_name="Relay Bot")],
    channels=[
        SeedChannel(name="general", purpose="Everybody is here."),
        SeedChannel(name="ops", private=True, members=["alice", "relaybot"]),
    ],
)
"""The content of an empty data directory if there is no seed file."""


def read_seed(path: Path) -> Seed:
    """Return the seed in a YAML file; raise ``SeedError`` if it cannot be read or is not valid."""
    try:
        seed = msgspec.yaml.decode(path.read_bytes(), type=Seed)
    except OSError as error:
        raise SeedError(f"the seed file cannot be read: {error}") from error
    except msgspec.MsgspecError as error:
        raise SeedError(f"{path}: {error}") from error
    except Exception as error:
        raise SeedError(f"{path} must be YAML: {error}") from error
    return complete(seed, str(path), path.parent)


def complete(seed: Seed, place: str, folder: Path | None = None) -> Seed:
    """Return a seed with the manifests of its apps read, and checked.

    Args:
        place: where the seed is from, for the text of an error.
        folder: where the files of manifests are; None if the seed may name no file, as that of a caller.

    Raises:
        SeedError: a manifest cannot be read or is not valid, or the parts of the seed do not fit together.
    """
    seed = msgspec.structs.replace(seed, apps=[_with_manifest(app, place, folder) for app in seed.apps])
    _check(seed, place)
    return seed


def _with_manifest(app: SeedApp, place: str, folder: Path | None) -> SeedApp:
    """Return an app with its manifest read, and with the name that stands there."""
    if app.manifest is None:
        if not app.name:
            raise SeedError(f"{place}: an app must have a name or a manifest, got neither")
        return app
    if app != SeedApp(manifest=app.manifest, tokens=app.tokens, webhooks=app.webhooks):
        raise SeedError(
            f"{place}: beside manifest an app must have tokens and webhooks only, got more of {app.manifest!r:.200}"
        )
    if isinstance(app.manifest, dict):
        described = describe_or_refuse(partial(describe, app.manifest), place)
    elif folder is None:
        raise SeedError(f"{place}: a manifest must be an object here, got the name of a file, {app.manifest!r:.200}")
    else:
        described = read_manifest(folder / app.manifest)
    return msgspec.structs.replace(app, name=described.manifest.name, manifest=described.tree)


def read_manifest(path: Path) -> Described:
    """Return the manifest in a file; raise ``SeedError`` if it cannot be read or is not valid. Warnings are logged."""
    try:
        if not path.is_file():  # a pipe or a device would have no end
            raise SeedError(f"{path} must be the file of a manifest, and is none")
        with path.open("rb") as file:
            text = file.read(MAX_SIZE + 1)
    except (OSError, ValueError) as error:
        raise SeedError(f"the manifest cannot be read: {error}") from error
    return describe_or_refuse(partial(read_yaml, text), str(path))


def describe_or_refuse(read: Callable[[], Described], place: str) -> Described:
    """Return what ``read`` returns; raise ``SeedError`` with its place if the manifest is not valid."""
    try:
        described = read()
    except ManifestError as error:
        raise SeedError(f"{place}: {error}") from None
    for warning in described.warnings:
        log.warning("%s: %s has no effect: %s", place, warning.pointer, warning.message)
    return described


def names_of(seed: Seed) -> list[str]:
    """Return the names of the users, bots and apps of a seed."""
    return [user.name for user in (*seed.users, *seed.bots)] + [app.bot for app in seed.apps]


def _check(seed: Seed, path: str) -> None:
    """Raise ``SeedError``, with the place of the seed in its text, if its parts do not fit together."""
    names = names_of(seed)
    for name in _repeated(names):
        raise SeedError(f"{path}: names of users, bots and apps must differ, got {name!r} twice")
    if SLACKBOT_NAME in names:
        raise SeedError(f"{path}: a user must have another name than {SLACKBOT_NAME!r}, the bot of every workspace")
    for app in seed.apps:
        if app.request_url is not None and not is_request_url(app.request_url):
            raise SeedError(
                f"{path}: request_url must be an http or https URL without user and fragment, such as "
                f"http://127.0.0.1:3000/slack/events, got another one of {app.name!r}"
            )
        try:
            check(app.features)
        except MethodError as error:
            raise SeedError(
                f"{path}: commands, shortcuts and interactivity of {app.name!r} are refused: {error.code} "
                f"({error.members.get('value', '')!r}); see docs/reference/seed.md"
            ) from None
        if app.webhooks and not app.may_have_webhooks:
            raise SeedError(
                f"{path}: webhooks need the scope {webhooks.SCOPE} among the scopes of {app.name!r}: add it"
            )
        for name in app.webhooks:
            if name not in [channel.name for channel in seed.channels]:
                raise SeedError(f"{path}: webhooks must name channels of the file, got {name!r} of {app.name!r}")
        for name in _repeated(app.webhooks):
            raise SeedError(f"{path}: webhooks of an app must differ, got {name!r} twice of {app.name!r}")
        for name in app.bot_events:
            if name not in BOT_EVENTS:
                raise SeedError(
                    f"{path}: bot_events must be events of the Events API to which bots can subscribe, such as "
                    f"app_mention or message.channels, got {name!r} of {app.name!r}"
                )
        for name in app.user_events:
            if name not in USER_EVENTS:
                raise SeedError(
                    f"{path}: user_events must be events of the Events API to which apps can subscribe for people, "
                    f"such as message.im or reaction_added, got {name!r} of {app.name!r}"
                )
    for name in _repeated([channel.name for channel in seed.channels]):
        raise SeedError(f"{path}: names of channels must differ, got {name!r} twice")
    for channel in seed.channels:
        if channel.name != channel.name.lower() or "." in channel.name:
            raise SeedError(f"{path}: names of channels must be lower case without periods, got {channel.name!r}")
        for member in channel.members or []:
            if member not in names:
                raise SeedError(
                    f"{path}: members of channels must be users, bots or apps of the file, got {member!r} in "
                    f"{channel.name!r}"
                )


def _repeated(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
