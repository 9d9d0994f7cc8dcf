"""Scopes by name, and which of them an event needs. Source of both: wire/apps.md#scopes (documented).

The scopes of methods are with the methods (``web_api.access``). An app gets an event if the token of its viewer has one
of the scopes of the event; a token with the umbrella scope has all.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import Final

from tautwire.server.services.access.identity import UMBRELLA

_EVENTS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "app_mentions:read": ("app_mention",),
    "assistant:write": ("app_context_changed",),
    "channels:history": ("message.channels", "channel_history_changed"),
    "channels:read": (
        "channel_archive", "channel_created", "channel_deleted", "channel_left", "channel_rename", "channel_shared",
        "channel_unarchive", "channel_unshared", "member_joined_channel", "member_left_channel",
    ),
    "chat:write": ("agent_session_stopped", "agent_session_title_changed"),
    "dnd:read": ("dnd_updated", "dnd_updated_user"),
    "emoji:read": ("emoji_changed",),
    "files:read": (
        "file_change", "file_created", "file_deleted", "file_public", "file_shared", "file_unshared",
    ),
    "groups:history": ("message.groups", "channel_history_changed", "group_history_changed"),
    "groups:read": (
        "channel_shared", "channel_unshared", "group_archive", "group_close", "group_deleted", "group_left",
        "group_open", "group_rename", "group_unarchive", "member_joined_channel", "member_left_channel",
    ),
    "im:history": ("message.im", "im_history_changed"),
    "im:read": ("im_close", "im_created", "im_open"),
    "links:read": ("link_shared",),
    "metadata.message:read": ("message_metadata_deleted", "message_metadata_posted", "message_metadata_updated"),
    "mpim:history": ("message.mpim", "channel_history_changed"),
    "mpim:read": ("member_joined_channel",),
    "pins:read": ("pin_added", "pin_removed"),
    "reactions:read": ("reaction_added", "reaction_removed"),
    "stars:read": ("star_added", "star_removed"),
    "team:read": ("email_domain_changed", "team_domain_change", "team_rename"),
    "usergroups:read": (
        "subteam_created", "subteam_members_changed", "subteam_self_added", "subteam_self_removed", "subteam_updated",
    ),
    "users:read": ("team_join", "user_change", "user_profile_changed", "user_status_changed"),
}  # fmt: skip

EVENT_SCOPES: Final[Mapping[str, frozenset[str]]] = {
    event: frozenset(scope for scope, events in _EVENTS_OF.items() if event in events)
    for events in _EVENTS_OF.values()
    for event in events
}
"""The scopes of an event, of which its viewer needs one. An event that is not in it needs no scope.

``message``, which stands for the four kinds of messages, is not in it either: each of the four is looked at.
"""

KNOWN_SCOPES: Final = frozenset(
    {*_EVENTS_OF, UMBRELLA, "bot", "identify", "client", "rtm:stream"}
    | {"bookmarks:read", "bookmarks:write", "calls:read", "calls:write", "canvases:read", "canvases:write"}
    | {"channels:join", "channels:manage", "channels:write", "channels:write.invites", "channels:write.topic"}
    | {"chat:write.customize", "chat:write.public", "commands", "conversations.connect:manage"}
    | {"conversations.connect:read", "conversations.connect:write", "datastore:read", "datastore:write", "dnd:write"}
    | {"email", "files:write", "groups:write", "groups:write.invites", "groups:write.topic", "im:write"}
    | {"im:write.topic", "incoming-webhook", "links.embed:write", "links:write", "lists:read", "lists:write"}
    | {"mpim:write", "mpim:write.topic", "openid", "pins:write", "profile", "reactions:write", "reminders:read"}
    | {"reminders:write", "remote_files:read", "remote_files:share", "remote_files:write", "search:read"}
    | {"search:read.files", "search:read.im", "search:read.mpim", "search:read.private", "search:read.public"}
    | {"search:read.users", "stars:write", "team.billing:read", "team.preferences:read", "triggers:read"}
    | {"triggers:write", "usergroups:write", "users.profile:read", "users.profile:write", "users:read.email"}
    | {"users:write", "workflow.steps:execute", "identity.basic", "identity.email", "identity.team"}
    | {"identity.avatar", "auditlogs:read", "authorizations:read", "connections:write"}
)
"""The scopes that a manifest may name, those included that permit nothing here."""

_MORE: Final = ("admin", "app_configurations:")
"""The begins of scopes of which there are many, and which permit nothing here."""
_ENDS: Final = (":bot", ":user")
"""The ends that scopes of classic apps may have. Source: wire/web-api-methods.md."""
_OTHERS: Final = frozenset({"post", "read", "hosting:read", "hosting:write", "tokens.basic"})
"""Scopes of classic apps and of Slack's own command line."""

RTM_SCOPES: Final = frozenset({UMBRELLA, "bot", "client", "rtm:stream"})
"""The scopes of classic apps, with which RTM can be used at Slack. Source: wire/apps.md#granular-scopes-and-rtm."""


def is_known(scope: str) -> bool:
    """Whether there is a scope of this name at Slack, also one that permits nothing here."""
    plain = next((scope.removesuffix(end) for end in _ENDS if scope.endswith(end)), scope)
    return plain in KNOWN_SCOPES or scope in _OTHERS or scope.startswith(_MORE)


def near(scope: str) -> list[str]:
    """Return the scopes whose names are most like one that is not known."""
    return difflib.get_close_matches(scope, sorted(KNOWN_SCOPES), 3, 0.6)


def allows(scopes: Collection[str], event: str) -> bool:
    """Whether a viewer with these scopes may get an event, by its name in a manifest."""
    needed = EVENT_SCOPES.get(event)
    return needed is None or UMBRELLA in scopes or not needed.isdisjoint(scopes)


def allowed(scopes: Collection[str] | None, events: Collection[str]) -> frozenset[str]:
    """Return those of the events that a viewer may get; None stands for all scopes.

    ``message`` becomes those of the four kinds that the scopes allow.
    """
    if scopes is None or UMBRELLA in scopes:
        return frozenset(events)
    wanted = set(events)
    if "message" in wanted:
        wanted.remove("message")
        wanted |= {"message.channels", "message.groups", "message.im", "message.mpim"}
    return frozenset(event for event in wanted if allows(scopes, event))
