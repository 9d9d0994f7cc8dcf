"""The event that a message had which is read from the history. Pure.

The history has a message as it is now: an edit is in it, and so are counters and reactions, which a new message has
not. Source: wire/messages.md#threads, wire/web-api-methods.md#conversationshistory.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

LATER: Final = frozenset(
    {"is_locked", "is_starred", "last_read", "latest_reply", "permalink", "pinned_info", "pinned_to", "reactions"}
    | {"replies", "replies_count", "reply_count", "reply_users", "reply_users_count", "subscribed", "unread_count"}
)
"""Members that a message gets after it was posted."""


def channel_type(conversation: Mapping[str, Any]) -> str:
    """Return ``channel_type`` of the messages of a conversation."""
    if conversation.get("is_im"):
        return "im"
    if conversation.get("is_mpim"):
        return "mpim"
    return "group" if conversation.get("is_private") or conversation.get("is_group") else "channel"


def to_event(message: Mapping[str, Any], channel: str, kind: str) -> bytes:
    """Return the event of a message of the history."""
    kept = {name: value for name, value in message.items() if name not in LATER}
    if kept.get("thread_ts") == kept.get("ts"):  # a parent: it had no thread when it was posted
        kept.pop("thread_ts", None)
    kept |= {"type": "message", "channel": channel, "event_ts": message.get("ts", ""), "channel_type": kind}
    return msgspec.json.encode(kept)
