"""What is reacted to, pinned or starred.

Source: wire/objects.md#small-objects, wire/delivery.md#reactions-pins-and-stars (documented).
"""

from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.objects.message import Message
from tautwire.protocol.opendata import UNSET, OpenData


class Item(WireObject, frozen=True, kw_only=True):
    """A message, a file, a file comment or a channel, as ``type`` tells."""

    type: str
    channel: ChannelId | None = None
    ts: Ts | None = None
    """Of the message, in a reaction."""

    message: Message | None = None
    """In a pin or star."""

    file: OpenData = UNSET
    """The id in a reaction, the whole file in a pin or star."""

    file_comment: OpenData = UNSET
    comment: OpenData = UNSET
    created: int | None = None
    """When it was pinned; seconds since 1970."""

    created_by: UserId | None = None
    date_create: int | None = None
    """When it was starred; seconds since 1970."""
