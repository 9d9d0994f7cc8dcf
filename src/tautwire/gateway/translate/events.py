"""Which RTM frames an event of the Events API is. Pure: bytes in, bytes out.

This is the inverse of ``server.taps.filter``, which makes events of the Events API from a log of RTM frames. The table
``RULES`` has every event that a bot can get, and ``translate`` applies it. Source of all rules:
wire/events-api.md#differences-to-rtm and #event-by-event.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

_SAME: Final = (
    "channel_archive", "channel_created", "channel_deleted", "channel_history_changed", "channel_left",
    "channel_rename", "channel_unarchive", "dnd_updated", "dnd_updated_user", "email_domain_changed", "emoji_changed",
    "file_change", "file_created", "file_deleted", "file_public", "file_shared", "file_unshared", "group_archive",
    "group_close", "group_deleted", "group_history_changed", "group_left", "group_open", "group_rename",
    "group_unarchive", "im_close", "im_created", "im_history_changed", "im_open", "member_left_channel", "pin_added",
    "pin_removed", "reaction_added", "reaction_removed", "shared_channel_invite_received", "star_added",
    "star_removed", "subteam_created", "subteam_members_changed", "subteam_self_added", "subteam_self_removed",
    "subteam_updated", "team_domain_change", "team_join", "team_rename", "user_change", "user_huddle_changed",
    "user_profile_changed", "user_status_changed",
)  # fmt: skip
_NONE: Final = (
    "app_home_opened", "app_installed", "app_mention", "app_rate_limited", "app_requested", "app_uninstalled",
    "assistant_thread_context_changed", "assistant_thread_started", "call_rejected", "channel_id_changed",
    "channel_shared", "channel_unshared", "function_executed", "grid_migration_finished", "grid_migration_started",
    "invite_requested", "link_shared", "message_metadata_deleted", "message_metadata_posted",
    "message_metadata_updated", "shared_channel_invite_accepted", "shared_channel_invite_approved",
    "shared_channel_invite_declined", "shared_channel_invite_requested", "tokens_revoked", "url_verification",
    "workflow_deleted", "workflow_published", "workflow_step_deleted", "workflow_step_execute",
    "workflow_unpublished",
)  # fmt: skip


class Rule(Enum):
    """What RTM has for an event."""

    SAME = "the same frame"
    MESSAGE = "a message without channel_type; message_replied gets its subtype back"
    JOIN = "the same frame; of the bot itself the channel comes before it"
    NONE = "no frame: only the Events API has it"


RULES: Final[Mapping[str, Rule]] = {
    **dict.fromkeys(_SAME, Rule.SAME),
    **dict.fromkeys(_NONE, Rule.NONE),
    "message": Rule.MESSAGE,
    "member_joined_channel": Rule.JOIN,
}
"""Every event by name. An event that is not here is treated as one that only the Events API has."""

_WRITTEN: Final = frozenset({None, "bot_message", "file_share", "me_message", "thread_broadcast"})
"""The subtypes of messages that a program can have posted: candidates for an echo."""


class Terms(NamedTuple):
    """What decides besides the event."""

    bot_user: str
    bot_id: str
    legacy_bot_messages: bool = True
    """Whether messages of other apps get the subtype ``bot_message``, by which old bots tell them from people."""
    all_events: bool = False
    """Whether events that only the Events API has become frames too."""


class Before(Enum):
    """What a connection has to get before a frame; the event alone does not say all of it."""

    NOTHING = ""
    JOINED = "joined"
    """The conversation that the bot has joined."""
    DIRECT = "direct"
    """The direct conversation, unless the bot knows it."""


class Translated(NamedTuple):
    """An event of the Events API as RTM has it."""

    type: str
    channel: str
    """The conversation, within which order is kept; empty if there is none."""
    frame: bytes | None
    """None if RTM has no such event."""
    before: Before = Before.NOTHING
    own_ts: str = ""
    """The timestamp, if it is a message of the bot itself; else empty."""
    event_ts: str = ""


class _Head(msgspec.Struct, gc=False):
    """The members of an event that decide."""

    type: str = ""
    subtype: str | None = None
    channel: Any = None
    channel_id: str = ""
    channel_type: str = ""
    item: Any = None
    user: Any = None
    bot_id: str | None = None
    bot_profile: Any = None
    username: str | None = None
    ts: str = ""
    event_ts: str = ""
    hidden: bool = False
    message: Any = None


_decode: Final = msgspec.json.Decoder(_Head).decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode: Final = msgspec.json.encode


def translate(event: bytes, terms: Terms) -> Translated:
    """Return what RTM has for the ``event`` of an ``event_callback``.

    Raises:
        msgspec.MsgspecError: it is not an event.
    """
    head = _decode(event)
    rule = RULES.get(head.type, Rule.NONE)
    channel = _channel_of(head)
    if rule is Rule.MESSAGE:
        return _message(event, head, channel, terms)
    if rule is Rule.NONE and not terms.all_events:
        return Translated(head.type, channel, None)
    before = Before.JOINED if rule is Rule.JOIN and head.user == terms.bot_user else Before.NOTHING
    return Translated(head.type, channel, event, before, event_ts=head.event_ts)


def _message(event: bytes, head: _Head, channel: str, terms: Terms) -> Translated:
    members = _members(event)
    members.pop("channel_type", None)
    subtype = head.subtype
    is_own = head.user == terms.bot_user or (bool(head.bot_id) and head.bot_id == terms.bot_id)
    if subtype is None and head.hidden and _is_thread(head.message):
        members = _with_subtype(members, "message_replied")
    elif subtype is None and head.bot_id and not is_own and terms.legacy_bot_messages:
        members = _with_subtype(members, "bot_message")
        name = _name_of(head.bot_profile)
        if not head.username and name:
            members["username"] = msgspec.Raw(_encode(name))
    before = Before.DIRECT if head.channel_type in ("im", "mpim") else Before.NOTHING
    own_ts = head.ts if is_own and subtype in _WRITTEN and not head.hidden else ""
    return Translated("message", channel, _encode(members), before, own_ts, head.event_ts)


def _with_subtype(members: dict[str, msgspec.Raw], subtype: str) -> dict[str, msgspec.Raw]:
    return {"type": members.pop("type"), "subtype": msgspec.Raw(_encode(subtype)), **members}


def _is_thread(message: Any) -> bool:
    return isinstance(message, dict) and ("thread_ts" in message or "reply_count" in message)


def _name_of(profile: Any) -> str:
    name = profile.get("name") if isinstance(profile, dict) else None
    return name if isinstance(name, str) else ""


def _channel_of(head: _Head) -> str:
    for place in (head.channel, head.item):
        if isinstance(place, str):
            return place
        if isinstance(place, dict):
            found = place.get("id") or place.get("channel")
            if isinstance(found, str):
                return found
    return head.channel_id
