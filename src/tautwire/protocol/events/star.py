"""Things one saved for oneself."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts, UserId
from tautwire.protocol.objects import Item


class StarAddedEvent(Event, frozen=True, kw_only=True, tag="star_added"):
    """One saved something.

    To: all connections of the one user concerned. Source: documented.
    """

    user: UserId
    item: Item
    event_ts: Ts


class StarRemovedEvent(Event, frozen=True, kw_only=True, tag="star_removed"):
    """One no longer saves something.

    The documents name everybody who can see the item; what is known of star_added speaks for oneself only.

    To: all connections of the one user concerned. Source: documented.
    """

    user: UserId
    item: Item
    event_ts: Ts
