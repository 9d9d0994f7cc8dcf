"""Which event of RTM is which of the Events API, and how one is made from the other. Pure: bytes in, bytes out.

The server makes events of the Events API from those of its log (``server.taps``), which are those of RTM. Whoever gets
events of the Events API makes those of RTM again with ``to_rtm``. Both read the names here, so that they cannot differ.
Source: wire/events-api.md#event-by-event and #what-only-rtm-has. Those pages have the same lists, and a test compares.
"""

from typing import Any, Final

import msgspec

MESSAGES: Final = {
    "public": "message.channels", "private": "message.groups", "im": "message.im", "mpim": "message.mpim",
}  # fmt: skip
"""The subscription to messages by the kind of their conversation. Source: wire/events-api.md#subscriptions."""

CHANNEL_TYPES: Final = {"public": "channel", "private": "group", "im": "im", "mpim": "mpim"}
"""``channel_type`` of a message by the kind of its conversation. Source: wire/events-api.md#subscriptions."""

SAME: Final = frozenset(
    {"channel_archive", "channel_created", "channel_deleted", "channel_history_changed", "channel_left"}
    | {"channel_rename", "channel_unarchive", "dnd_updated_user", "email_domain_changed", "emoji_changed"}
    | {"file_change", "file_created", "file_deleted", "file_public", "file_shared", "file_unshared", "group_archive"}
    | {"group_deleted", "group_history_changed", "group_left", "group_rename", "group_unarchive"}
    | {"im_history_changed", "member_joined_channel", "member_left_channel", "pin_added", "pin_removed"}
    | {"reaction_added", "reaction_removed", "shared_channel_invite_received", "star_added", "star_removed"}
    | {"subteam_created", "subteam_members_changed", "subteam_updated", "team_domain_change", "team_join"}
    | {"team_rename", "user_change", "user_huddle_changed", "user_profile_changed", "user_status_changed"}
)
"""The same event in both; a bot may subscribe to it."""

SAME_FOR_USERS: Final = frozenset(
    {"dnd_updated", "group_close", "group_open", "im_close", "im_created", "im_open", "subteam_self_added"}
    | {"subteam_self_removed"}
)
"""The same event in both, but only subscriptions of users get it over the Events API."""

ONLY_RTM: Final = frozenset(
    # of the connection
    {"error", "goodbye", "hello", "reconnect_url", "team_migration_started"}
    # presence, typing, marks and what else programs of people show
    | {"accounts_changed", "activity", "ai_assistant_status", "badge_counts_updated", "channel_marked"}
    | {"desktop_notification", "draft_create", "draft_delete", "draft_sent", "draft_update", "group_marked"}
    | {"im_marked", "manual_presence_change", "mobile_in_app_notification", "mpim_marked", "pref_change"}
    | {"presence_change", "thread_marked", "thread_subscribed", "thread_unsubscribed", "update_global_thread_state"}
    | {"update_thread_state", "user_typing"}
    # to the one who joins or opens; the Events API has member_joined_channel, or the first message
    | {"channel_joined", "channel_updated", "group_join", "group_joined", "mpim_close", "mpim_history_changed"}
    | {"mpim_joined", "mpim_open"}
    # of the workspace
    | {"apps_uninstalled", "bot_added", "bot_changed", "commands_changed", "external_org_migration_finished"}
    | {"external_org_migration_started", "team_plan_change", "team_pref_change", "team_profile_change"}
    | {"team_profile_delete", "team_profile_reorder", "user_invalidated"}
    # retired, before the Events API
    | {"file_comment_added", "file_comment_deleted", "file_comment_edited", "file_private", "sh_room_join"}
    | {"sh_room_leave", "sh_room_update", "user_connection"}
)
"""Events of RTM that the Events API lacks. A message that is ``is_ephemeral`` is one too."""

ONLY_EVENTS_API: Final = frozenset(
    {"app_home_opened", "app_mention", "app_uninstalled", "assistant_thread_context_changed"}
    | {"assistant_thread_started", "channel_id_changed", "channel_shared", "channel_unshared", "function_executed"}
    | {"link_shared", "message_metadata_deleted", "message_metadata_posted", "message_metadata_updated"}
    | {"shared_channel_invite_accepted", "shared_channel_invite_approved", "shared_channel_invite_declined"}
    | {"tokens_revoked"}
)
"""Events of the Events API that RTM lacks."""

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_REPLIED: Final = msgspec.Raw(b'"message_replied"')


def to_events_api(message: bytes, subtype: str | None, kind: str) -> bytes:
    """Return a message of RTM as the Events API has it; other events are the same in both.

    The bytes are extended, not decoded and encoded again: this runs for every message.

    Args:
        kind: of its conversation.
    """
    if subtype == "message_replied":  # a documented bug of the Events API: the subtype is missing
        members = _members(message)
        del members["subtype"]
        message = msgspec.json.encode(members)
    return b'%b,"channel_type":"%b"}' % (message[:-1], CHANNEL_TYPES[kind].encode())


def to_rtm(event: bytes) -> bytes | None:
    """Return an event of the Events API as RTM has it, None if RTM lacks it; the inverse of ``to_events_api``.

    Raises:
        msgspec.MsgspecError: it is not a JSON object.
    """
    seen = _decode(event)
    kind = seen.get("type")
    if kind in SAME or kind in SAME_FOR_USERS:
        return event
    if kind != "message":
        return None
    members = _members(event)
    members.pop("channel_type", None)
    if "subtype" not in seen and _is_parent(seen):
        members["subtype"] = _REPLIED
    return msgspec.json.encode(members)


def _is_parent(message: dict[str, Any]) -> bool:
    """Whether a message is a parent with new counters (wire/events-api.md#differences-to-rtm)."""
    inner = message.get("message")
    return bool(message.get("hidden")) and isinstance(inner, dict) and bool({"reply_count", "thread_ts"} & inner.keys())
