"""Direct messages of two."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.protocol.objects import Channel


class ImCreatedEvent(Event, frozen=True, kw_only=True, tag="im_created"):
    """A direct message with you was made.

    To: you, on all your connections. Source: documented, captured.
    """

    user: UserId
    channel: Channel
    event_ts: Ts | None = None


class ImOpenEvent(Event, frozen=True, kw_only=True, tag="im_open"):
    """You opened a direct message.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    channel: ChannelId
    event_ts: Ts | None = None


class ImCloseEvent(Event, frozen=True, kw_only=True, tag="im_close"):
    """You closed a direct message.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    channel: ChannelId
    event_ts: Ts | None = None


class ImMarkedEvent(Event, frozen=True, kw_only=True, tag="im_marked"):
    """You read a direct message up to ``ts``.

    To: you, on all your connections. Source: documented.
    """

    channel: ChannelId
    ts: Ts
    dm_count: int | None = None
    unread_count_display: int | None = None
    num_mentions_display: int | None = None
    mention_count_display: int | None = None
    event_ts: Ts | None = None


class ImHistoryChangedEvent(Event, frozen=True, kw_only=True, tag="im_history_changed"):
    """Much of the history of a direct message changed at once.

    To: the members of the conversation. Source: documented.
    """

    channel: ChannelId | None = None
    latest: Ts
    ts: Ts
    event_ts: Ts
