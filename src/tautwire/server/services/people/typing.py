"""Typing: an event that may be lost, for the other members of a channel. Source: wire/presence-and-typing.md#typing."""

import msgspec

from tautwire.protocol.ids import is_ts
from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import Topic


def whisper_typing(hub: Hub, user: str, channel: str, thread_ts: str | None = None) -> bool:
    """Show the other members that a user is typing; return False if the user is not a member of the channel.

    A ``thread_ts`` that is not a timestamp is left out.
    """
    topic = Topic(channel)
    if topic not in hub.channels_of(user):
        return False
    payload = {"type": "user_typing", "channel": channel, "user": user}
    if thread_ts is not None and is_ts(thread_ts):
        payload["thread_ts"] = thread_ts
    hub.whisper(topic, msgspec.json.encode(payload), but=user)
    return True
