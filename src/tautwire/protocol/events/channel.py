"""Channels: made, joined, renamed, read, archived, deleted.

Of private channels with a ``C`` id either these or the ``group`` family may come (uncertain): listen to both.
"""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import ChannelId, EnterpriseId, TeamId, Ts, UserId
from tautwire.protocol.objects import Channel
from tautwire.protocol.opendata import OpenData


class ChannelCreatedEvent(Event, frozen=True, kw_only=True, tag="channel_created"):
    """A public channel was made.

    To: everybody in the workspace. Source: documented.
    """

    channel: Channel
    event_ts: Ts | None = None


class ChannelJoinedEvent(Event, frozen=True, kw_only=True, tag="channel_joined"):
    """You became a member of a channel; ``channel`` is all of it.

    To: you, on all your connections. Source: documented.
    """

    channel: Channel
    event_ts: Ts | None = None


class ChannelLeftEvent(Event, frozen=True, kw_only=True, tag="channel_left"):
    """You left a channel or were removed from it.

    Sometimes withheld, as the documents say.

    To: you, on all your connections. Source: documented.
    """

    channel: ChannelId
    actor_id: UserId | None = None
    event_ts: Ts | None = None


class ChannelMarkedEvent(Event, frozen=True, kw_only=True, tag="channel_marked"):
    """You read a channel up to ``ts``.

    To: you, on all your connections. Source: documented, captured.
    """

    channel: ChannelId
    ts: Ts
    unread_count: int | None = None
    unread_count_display: int | None = None
    num_mentions: int | None = None
    num_mentions_display: int | None = None
    mention_count: int | None = None
    mention_count_display: int | None = None
    event_ts: Ts | None = None


class ChannelRenameEvent(Event, frozen=True, kw_only=True, tag="channel_rename"):
    """A public channel was renamed; ``channel`` has its id and new name.

    To: everybody in the workspace. Source: documented.
    """

    channel: Channel
    event_ts: Ts | None = None


class ChannelArchiveEvent(Event, frozen=True, kw_only=True, tag="channel_archive"):
    """A public channel was archived.

    To: everybody in the workspace. Source: documented.
    """

    channel: ChannelId
    user: UserId
    is_moved: int | None = None
    """0 or 1, never a boolean."""

    event_ts: Ts | None = None


class ChannelUnarchiveEvent(Event, frozen=True, kw_only=True, tag="channel_unarchive"):
    """A public channel was brought back from the archive.

    To: everybody in the workspace. Source: documented.
    """

    channel: ChannelId
    user: UserId
    event_ts: Ts | None = None


class ChannelDeletedEvent(Event, frozen=True, kw_only=True, tag="channel_deleted"):
    """A public channel was deleted; in the 2010s also, turned private.

    To: everybody in the workspace. Source: documented.
    """

    channel: ChannelId
    actor_id: UserId | None = None
    event_ts: Ts | None = None


class ChannelHistoryChangedEvent(Event, frozen=True, kw_only=True, tag="channel_history_changed"):
    """Much of a channel's history changed at once: read again what is older than ``latest``.

    To: the members of the conversation. Source: documented.
    """

    channel: ChannelId | None = None
    latest: Ts
    ts: Ts
    event_ts: Ts


class ChannelUpdatedEvent(Event, frozen=True, kw_only=True, tag="channel_updated"):
    """Properties of a channel changed, such as its tabs.

    To: the members of the conversation. Source: read in an SDK.
    """

    channel: ChannelId
    channels: list[ChannelId] | None = None
    updates: OpenData
    event_ts: Ts | None = None
    ts: Ts | None = None


class MemberJoinedChannelEvent(Event, frozen=True, kw_only=True, tag="member_joined_channel"):
    """A user became a member of a channel; you included.

    No ``inviter`` tells that they came by themselves, or that a public channel was made private.

    To: the members of the conversation, the new one included. Source: documented.
    """

    user: UserId
    channel: ChannelId
    channel_type: str
    """``C`` or ``G``."""

    team: TeamId
    inviter: UserId | None = None
    enterprise: EnterpriseId | None = None
    event_ts: Ts


class MemberLeftChannelEvent(Event, frozen=True, kw_only=True, tag="member_left_channel"):
    """A user is no longer a member of a channel.

    To: the members of the conversation. Source: documented.
    """

    user: UserId
    channel: ChannelId
    channel_type: str
    team: TeamId
    event_ts: Ts
