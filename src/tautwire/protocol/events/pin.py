"""Things pinned in a conversation."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.protocol.objects import Item
from tautwire.protocol.opendata import UNSET, OpenData


class PinAddedEvent(Event, frozen=True, kw_only=True, tag="pin_added"):
    """Something was pinned in a conversation.

    To: the members of the conversation. Source: documented, read in an SDK.
    """

    user: UserId
    channel_id: ChannelId
    item: Item
    item_user: UserId | None = None
    pin_count: str | int | None = None
    """Digits; one SDK wants a number."""

    pinned_info: OpenData = UNSET
    event_ts: Ts


class PinRemovedEvent(Event, frozen=True, kw_only=True, tag="pin_removed"):
    """Something was unpinned in a conversation; ``has_pins`` tells whether others are left.

    To: the members of the conversation. Source: documented.
    """

    user: UserId
    channel_id: ChannelId
    item: Item
    item_user: UserId | None = None
    pin_count: str | int | None = None
    pinned_info: OpenData = UNSET
    event_ts: Ts
    has_pins: bool
