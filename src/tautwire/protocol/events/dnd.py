"""Do Not Disturb."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts, UserId
from tautwire.protocol.objects import DndStatus


class DndUpdatedEvent(Event, frozen=True, kw_only=True, tag="dnd_updated"):
    """Your own Do Not Disturb state changed.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    dnd_status: DndStatus
    event_ts: Ts | None = None


class DndUpdatedUserEvent(Event, frozen=True, kw_only=True, tag="dnd_updated_user"):
    """A user's Do Not Disturb state changed; snoozing is not told.

    To: everybody in the workspace. Source: documented.
    """

    user: UserId
    dnd_status: DndStatus
    event_ts: Ts | None = None
