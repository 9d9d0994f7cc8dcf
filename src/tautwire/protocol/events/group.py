"""Private channels with a ``G`` id, and multi-person conversations seen by older clients."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.protocol.objects import Channel


class GroupJoinedEvent(Event, frozen=True, kw_only=True, tag="group_joined"):
    """You became a member of a private channel; ``channel`` is all of it.

    Also sent, besides mpim_joined, for a multi-person conversation.

    To: you, on all your connections. Source: documented.
    """

    channel: Channel
    event_ts: Ts | None = None


class GroupLeftEvent(Event, frozen=True, kw_only=True, tag="group_left"):
    """You left a private channel or were removed from it.

    To: you, on all your connections. Source: documented.
    """

    channel: ChannelId
    actor_id: UserId | None = None
    event_ts: Ts | None = None


class GroupOpenEvent(Event, frozen=True, kw_only=True, tag="group_open"):
    """You opened a private or multi-person conversation.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    channel: ChannelId
    is_mpim: bool | None = None
    event_ts: Ts | None = None


class GroupCloseEvent(Event, frozen=True, kw_only=True, tag="group_close"):
    """You closed a private or multi-person conversation.

    To: you, on all your connections. Source: documented.
    """

    user: UserId
    channel: ChannelId
    is_mpim: bool | None = None
    event_ts: Ts | None = None


class GroupArchiveEvent(Event, frozen=True, kw_only=True, tag="group_archive"):
    """A private channel was archived.

    To: the members of the conversation. Source: documented.
    """

    channel: ChannelId
    user: UserId | None = None
    is_moved: int | None = None
    actor_id: UserId | None = None
    ts: Ts | None = None
    event_ts: Ts | None = None


class GroupUnarchiveEvent(Event, frozen=True, kw_only=True, tag="group_unarchive"):
    """A private channel was brought back from the archive.

    To: the members of the conversation. Source: documented.
    """

    channel: ChannelId
    actor_id: UserId | None = None
    user: UserId | None = None
    event_ts: Ts | None = None


class GroupRenameEvent(Event, frozen=True, kw_only=True, tag="group_rename"):
    """A private channel was renamed; ``channel`` has its id and new name.

    To: the members of the conversation. Source: documented, read in an SDK.
    """

    channel: Channel
    event_ts: Ts | None = None


class GroupMarkedEvent(Event, frozen=True, kw_only=True, tag="group_marked"):
    """You read a private channel up to ``ts``.

    To: you, on all your connections. Source: documented.
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


class GroupDeletedEvent(Event, frozen=True, kw_only=True, tag="group_deleted"):
    """A private channel was deleted.

    To: the members of the conversation. Source: documented.
    """

    channel: ChannelId
    date_deleted: int | None = None
    actor_id: UserId | None = None
    event_ts: Ts | None = None


class GroupHistoryChangedEvent(Event, frozen=True, kw_only=True, tag="group_history_changed"):
    """Much of a private channel's history changed at once: read again what is older than ``latest``.

    To: the members of the conversation. Source: documented.
    """

    channel: ChannelId | None = None
    latest: Ts
    ts: Ts
    event_ts: Ts
    is_mpim: bool | None = None


class GroupJoinEvent(Event, frozen=True, kw_only=True, tag="group_join"):
    """A user is in a private channel that was public before.

    Odd and bare; not the message subtype of the same name. Seen in 2017.

    To: the members of the conversation. Source: captured.
    """

    user: UserId
    channel: ChannelId
    ts: Ts
