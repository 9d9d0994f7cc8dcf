"""The manifest of the app behind a gateway: scopes and subscriptions, computed from what bots need. Pure.

Source of the scopes: wire/events-api.md#subscriptions and wire/web-api.md (documented).
"""

from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from tautwire.protocol.errors import ConfigError


class Feature(NamedTuple):
    """Something that bots can do or get, and what the app needs for it."""

    about: str
    scopes: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    is_usual: bool = True


FEATURES: Final = {
    "messages": Feature(
        "messages of the conversations that the bot is in",
        ("channels:history", "groups:history", "im:history", "mpim:history"),
        ("message.channels", "message.groups", "message.im", "message.mpim"),
    ),
    "channels": Feature(
        "conversations, their members and their changes; rtm.start",
        ("channels:read", "groups:read", "im:read", "mpim:read"),
        (
            "channel_archive", "channel_created", "channel_deleted", "channel_left", "channel_rename",
            "channel_unarchive", "group_archive", "group_deleted", "group_left", "group_rename", "group_unarchive",
            "member_joined_channel", "member_left_channel",
        ),
    ),
    "send": Feature("messages of the bot", ("chat:write", "im:write")),
    "people": Feature(
        "users, their changes and their presence",
        ("team:read", "users:read"),
        ("team_join", "user_change"),
    ),
    "reactions": Feature(
        "reactions", ("reactions:read", "reactions:write"), ("reaction_added", "reaction_removed")
    ),
    "files": Feature(
        "files",
        ("files:read", "files:write"),
        ("file_change", "file_created", "file_deleted", "file_public", "file_shared", "file_unshared"),
    ),
    "pins": Feature("pinned messages", ("pins:read", "pins:write"), ("pin_added", "pin_removed")),
    "emoji": Feature("custom emoji", ("emoji:read",), ("emoji_changed",)),
    "join": Feature("public channels that the bot joins by itself", ("channels:join", "chat:write.public")),
    "customize": Feature("names and pictures of its own for messages", ("chat:write.customize",)),
    "usergroups": Feature(
        "groups of users", ("usergroups:read",), ("subteam_created", "subteam_members_changed", "subteam_updated"),
        is_usual=False,
    ),
    "dnd": Feature("do not disturb", ("dnd:read",), ("dnd_updated_user",), is_usual=False),
    "email": Feature("e-mail addresses of users", ("users:read.email",), is_usual=False),
    "manage": Feature(
        "channels that the bot creates, renames or archives",
        ("channels:manage", "groups:write", "mpim:write"),
        is_usual=False,
    ),
}  # fmt: skip
"""By the name that ``--with`` and ``--without`` take."""

USUAL: Final = tuple(name for name, feature in FEATURES.items() if feature.is_usual)

_MAX_NAME: Final = 35
"""Characters of the name of an app (documented)."""


def choose(extra: Iterable[str], without: Collection[str]) -> list[str]:
    """Return the names of the features: the usual ones and ``extra``, but not those of ``without``.

    Raises:
        ConfigError: there is no such feature.
    """
    for name in (*extra, *without):
        if name not in FEATURES:
            raise ConfigError(f"there is no feature {name!r}; there are {', '.join(FEATURES)}")
    wanted = {*USUAL, *extra}
    return [name for name in FEATURES if name in wanted and name not in without]


def scopes_of(features: Iterable[str]) -> list[str]:
    """Return the scopes of the bot token, in the order of the alphabet."""
    return sorted({scope for name in features for scope in FEATURES[name].scopes})


def events_of(features: Iterable[str]) -> list[str]:
    """Return the events to which the bot subscribes, in the order of the alphabet."""
    return sorted({event for name in features for event in FEATURES[name].events})


def manifest(bot: str, features: Collection[str]) -> dict[str, Any]:
    """Return the manifest of the app.

    Raises:
        ConfigError: the name cannot be used.
    """
    if not 1 <= len(bot) <= _MAX_NAME or not bot.isprintable():
        raise ConfigError(f"the name of an app must have 1 to {_MAX_NAME} characters, got {bot!r}")
    return {
        "display_information": {"name": bot, "description": "A bot that talks RTM, behind a gateway"},
        "features": {
            # Without the Messages tab direct messages never arrive.
            "app_home": {
                "home_tab_enabled": False, "messages_tab_enabled": True, "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": bot, "always_online": True},
        },
        "oauth_config": {"scopes": {"bot": scopes_of(features)}},
        "settings": {
            "event_subscriptions": {"bot_events": events_of(features)},
            "interactivity": {"is_enabled": False},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }  # fmt: skip
