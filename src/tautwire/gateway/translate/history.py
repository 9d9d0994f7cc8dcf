"""The event that a message had which is read from the history. Pure.

The history has a message as it is now: an edit is in it, and so are counters and reactions, which a new message has
not. Source: wire/messages.md#threads, wire/web-api-methods.md#conversationshistory.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tautwire.protocol.ids import LAST_MICROS, Ts, ts_from_micros, ts_to_micros

LATER: Final = frozenset(
    {"is_locked", "is_starred", "last_read", "latest_reply", "permalink", "pinned_info", "pinned_to", "reactions"}
    | {"replies", "replies_count", "reply_count", "reply_users", "reply_users_count", "subscribed", "unread_count"}
)
"""Members that a message gets after it was posted."""
COUNTERS: Final = frozenset({"is_locked", "latest_reply", "replies", "reply_count", "reply_users", "reply_users_count"})
"""Those of them that a parent has in the event of a reply."""


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


def to_parent_event(parent: Mapping[str, Any], reply: str, replies: Sequence[str], channel: str, kind: str) -> bytes:
    """Return the event that follows a reply: its parent with the counters after it, ``message_replied`` in RTM.

    Who has replied is as it is now; nothing tells who had by then.

    Args:
        reply: the ts of the reply.
        replies: those of all replies to the parent that were read, in order.
    """
    latest, count = str(parent.get("latest_reply", "")), parent.get("reply_count")
    # The history counts those up to its latest one, also those after this one.
    change = bisect_right(replies, reply) - bisect_right(replies, latest)
    kept = {name: value for name, value in parent.items() if name not in LATER or name in COUNTERS}
    own_ts = ts_from_micros(min(ts_to_micros(Ts(reply)) + 1, LAST_MICROS))  # its own is in no history
    event = {
        "type": "message", "hidden": True, "channel": channel, "channel_type": kind, "ts": own_ts, "event_ts": own_ts,
        "message": {**kept, "latest_reply": reply, "reply_count": (count if isinstance(count, int) else 0) + change},
    }  # fmt: skip
    return msgspec.json.encode(event)
