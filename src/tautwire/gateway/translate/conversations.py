"""The frames by which RTM tells a bot of a conversation that is new to it; the Events API has no such events. Pure.

They are made from the object that ``conversations.info`` answers. Source: wire/events-api.md#what-only-rtm-has.
"""

from collections.abc import Mapping
from typing import Any

import msgspec


def announce(conversation: Mapping[str, Any], bot_user: str, event_ts: str) -> list[bytes]:
    """Return the frames for a conversation that the bot has joined, or that was opened with it."""
    if conversation.get("is_im"):
        return [_frame("im_created", conversation, event_ts, user=bot_user)]
    if conversation.get("is_mpim"):
        return [_frame("mpim_joined", conversation, event_ts), _frame("group_joined", conversation, event_ts)]
    is_private = conversation.get("is_private") or conversation.get("is_group")
    return [_frame("group_joined" if is_private else "channel_joined", conversation, event_ts)]


def unknown(channel: str) -> dict[str, Any]:
    """Return what is known of a conversation about which the upstream says nothing: its id, and what the id tells."""
    return {"id": channel, "is_im": channel.startswith("D"), "is_group": channel.startswith("G")}


def _frame(name: str, conversation: Mapping[str, Any], event_ts: str, **members: str) -> bytes:
    stamp = {"event_ts": event_ts} if event_ts else {}
    return msgspec.json.encode({"type": name, **members, "channel": conversation, **stamp})
