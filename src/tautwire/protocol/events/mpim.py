"""Multi-person direct messages. The ``group`` family tells the same to older clients."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.protocol.objects import Channel


class MpimJoinedEvent(Event, frozen=True, kw_only=True, tag="mpim_joined"):
    """You are part of a new multi-person conversation.

    An identical group_joined follows. The conversation is closed for all but who made it. Of old conversations only.

    To: you, on all your connections. Source: documented, captured.
    """

    channel: Channel
    event_ts: Ts | None = None


class MpimOpenEvent(Event, frozen=True, kw_only=True, tag="mpim_open"):
    """You opened a multi-person conversation. Paired with group_open.

    Of old conversations only.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    channel: ChannelId
    is_mpim: bool | None = None
    event_ts: Ts | None = None


class MpimCloseEvent(Event, frozen=True, kw_only=True, tag="mpim_close"):
    """You closed a multi-person conversation. Paired with group_close.

    Of old conversations only.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    channel: ChannelId
    is_mpim: bool | None = None
    event_ts: Ts | None = None


class MpimMarkedEvent(Event, frozen=True, kw_only=True, tag="mpim_marked"):
    """You read a multi-person conversation up to ``ts``. Followed by group_marked.

    Of old conversations only.

    To: you, on all your connections. Source: captured.
    """

    channel: ChannelId
    ts: Ts
    is_mpim: bool | None = None
    unread_count: int | None = None
    unread_count_display: int | None = None
    num_mentions: int | None = None
    num_mentions_display: int | None = None
    mention_count: int | None = None
    mention_count_display: int | None = None
    event_ts: Ts | None = None


class MpimHistoryChangedEvent(Event, frozen=True, kw_only=True, tag="mpim_history_changed"):
    """Much of the history of a multi-person conversation changed at once.

    Of old conversations only.

    To: the members of the conversation. Source: documented.
    """

    channel: ChannelId | None = None
    latest: Ts
    ts: Ts
    event_ts: Ts
    is_mpim: bool | None = None
