"""Which conversation an event belongs to."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.events.message import MessageEvent


def conversation_of(event: Event) -> str:
    """Return the id of the channel an event is about, "" for an event of the workspace.

    Handlers keep order within this key.
    """
    if event.__class__ is MessageEvent:  # most are, and getattr takes ten times as long
        return event.channel
    channel = getattr(event, "channel", None)
    if channel.__class__ is str:
        return channel
    if channel is None:
        channel = getattr(event, "channel_id", None) or getattr(getattr(event, "item", None), "channel", None)
    found = getattr(channel, "id", channel)
    return found if isinstance(found, str) else ""
