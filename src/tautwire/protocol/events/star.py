"""Things you saved for yourself."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts, UserId
from tautwire.protocol.objects import Item


class StarAddedEvent(Event, frozen=True, kw_only=True, tag="star_added"):
    """You saved something.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    item: Item
    event_ts: Ts


class StarRemovedEvent(Event, frozen=True, kw_only=True, tag="star_removed"):
    """You no longer save something.

    The documents name everybody who can see the item; what is known of star_added speaks of yourself only.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    item: Item
    event_ts: Ts
