"""The shape of an app manifest, versions 1 and 2: the members that this server knows.

Source: wire/apps.md#app-manifest.

This is the one description of an app: a seed file, a command and the control API are turned into it too. Members that
are not described here are kept beside it for the export (``reading``).
"""

from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tautwire.server.services.access import features as asking

NAME_LENGTH: Final = 35
HANDLE_LENGTH: Final = 80

Pointer = str
"""A JSON pointer (RFC 6901) from the root of a manifest."""

Url = Annotated[str, Meta(max_length=2_000)]
EventName = Annotated[str, Meta(max_length=100)]
ScopeName = Annotated[str, Meta(max_length=80)]


class Display(msgspec.Struct, frozen=True, omit_defaults=True):
    """What people read about the app."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH)]
    description: Annotated[str, Meta(max_length=140)] = ""
    long_description: Annotated[str, Meta(max_length=4_000)] = ""
    background_color: Annotated[str, Meta(pattern="^(#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}))?$")] = ""


class BotUser(msgspec.Struct, frozen=True, omit_defaults=True):
    """The bot of the app."""

    display_name: Annotated[str, Meta(min_length=1, max_length=HANDLE_LENGTH)]
    always_online: bool = False


class AppHome(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tabs of the app's direct message."""

    home_tab_enabled: bool = False
    messages_tab_enabled: bool = False
    messages_tab_read_only_enabled: bool = False


class SlashCommand(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command that people type."""

    command: Annotated[str, Meta(pattern=r"^/[^\s/A-Z]{1,31}$")]
    description: Annotated[str, Meta(min_length=1, max_length=2_000)]
    usage_hint: Annotated[str, Meta(max_length=1_000)] = ""
    url: Url = ""
    should_escape: bool = False


class Shortcut(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of a menu."""

    name: Annotated[str, Meta(min_length=1, max_length=255)]
    type: Literal["message", "global"]
    callback_id: Annotated[str, Meta(min_length=1, max_length=255)]
    description: Annotated[str, Meta(min_length=1, max_length=150)]


class Features(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the app shows in the workspace."""

    bot_user: BotUser | None = None
    app_home: AppHome | None = None
    slash_commands: Annotated[list[SlashCommand], Meta(max_length=50)] = []
    shortcuts: Annotated[list[Shortcut], Meta(max_length=10)] = []
    unfurl_domains: Annotated[list[str], Meta(max_length=5)] = []
    assistant_view: dict[str, Any] | None = None


class Scopes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the app asks for when it is installed."""

    bot: Annotated[list[ScopeName], Meta(max_length=255)] = []
    user: Annotated[list[ScopeName], Meta(max_length=255)] = []
    bot_optional: Annotated[list[ScopeName], Meta(max_length=255)] = []
    user_optional: Annotated[list[ScopeName], Meta(max_length=255)] = []


class OAuth(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the app is installed."""

    redirect_urls: Annotated[list[Url], Meta(max_length=1_000)] = []
    scopes: Scopes = msgspec.field(default_factory=Scopes)


class EventSubscriptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The events that the app gets."""

    request_url: Url = ""
    bot_events: Annotated[list[EventName], Meta(max_length=100)] = []
    user_events: Annotated[list[EventName], Meta(max_length=100)] = []
    metadata_subscriptions: list[dict[str, Any]] = []


class Interactivity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where buttons and modals go."""

    is_enabled: bool
    request_url: Url = ""
    message_menu_options_url: Url = ""


class Behaviour(msgspec.Struct, frozen=True, omit_defaults=True):
    """The member ``settings``."""

    event_subscriptions: EventSubscriptions = msgspec.field(default_factory=EventSubscriptions)
    interactivity: Interactivity | None = None
    socket_mode_enabled: bool = False


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """The version of the form."""

    major_version: Literal[1, 2] = 1
    minor_version: int = 0


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """An app, described."""

    display_information: Display
    metadata: Metadata = msgspec.field(default_factory=Metadata, name="_metadata")
    features: Features = msgspec.field(default_factory=Features)
    oauth_config: OAuth = msgspec.field(default_factory=OAuth)
    settings: Behaviour = msgspec.field(default_factory=Behaviour)

    @property
    def name(self) -> str:
        """The name of the app."""
        return self.display_information.name

    @property
    def bot_name(self) -> str:
        """The name that its bot is to have among the users."""
        bot = self.features.bot_user
        return handle(bot.display_name if bot is not None else self.name)

    @property
    def bot_scopes(self) -> frozenset[str]:
        """The scopes of its bot; an assistant has one more."""
        assistant = {"assistant:write"} if self.features.assistant_view is not None else set()
        return frozenset({*self.oauth_config.scopes.bot, *assistant})

    @property
    def user_scopes(self) -> frozenset[str]:
        """The scopes that it asks people for."""
        return frozenset(self.oauth_config.scopes.user)

    @property
    def asked(self) -> asking.Features:
        """What people can ask the app for."""
        interactivity = self.settings.interactivity or Interactivity(is_enabled=False)
        return asking.Features(
            commands=tuple(
                asking.Command(
                    name=each.command, url=each.url or None, description=each.description, usage_hint=each.usage_hint,
                    should_escape=each.should_escape,
                )
                for each in self.features.slash_commands
            ),
            shortcuts=tuple(
                asking.Shortcut(
                    callback_id=each.callback_id, name=each.name, type=each.type, description=each.description
                )
                for each in self.features.shortcuts
            ),
            interactivity=asking.Interactivity(
                is_enabled=interactivity.is_enabled, request_url=interactivity.request_url or None,
                options_url=interactivity.message_menu_options_url or None,
            ),
        )  # fmt: skip

    @property
    def subscriptions(self) -> EventSubscriptions:
        """The events that it gets."""
        return self.settings.event_subscriptions


def handle(name: str) -> str:
    """Return the name of a user that is made from the name of an app: lower case letters, digits, ``-``, ``_``, ``.``.

    Source: wire/apps.md#app-manifest (recommended).
    """
    text = "".join(char if char.isalnum() or char in "-_." else "-" for char in name.lower())
    return text.strip("-.")[:HANDLE_LENGTH] or "app"


def members_of(described: type[msgspec.Struct]) -> Iterator[str]:
    """Yield the names of the members of a structure as a manifest has them."""
    for field in msgspec.structs.fields(described):
        yield field.encode_name
