"""Traffic for first-party clients, undocumented: expect members to change."""

from msgspec import field

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import AppId, ChannelId, Ts, UserId
from tautwire.protocol.opendata import UNSET, OpenData


class DesktopNotificationEvent(Event, frozen=True, kw_only=True, tag="desktop_notification"):
    """What the desktop client shows for a message that concerns you.

    To: you, on all your connections. Source: captured, read in an SDK.
    """

    title: str
    subtitle: str
    msg: Ts
    content: str
    channel: ChannelId
    launch_uri: str = field(name="launchUri")
    avatar_image: str | None = field(name="avatarImage", default=None)
    ssb_filename: str | None = field(name="ssbFilename", default=None)
    image_uri: str | None = field(name="imageUri", default=None)
    is_shared: bool | None = None
    event_ts: Ts


class MobileInAppNotificationEvent(Event, frozen=True, kw_only=True, tag="mobile_in_app_notification"):
    """What the mobile client shows for a message that concerns you.

    To: you, on all your connections. Source: read in an SDK.
    """

    title: str | None = None
    subtitle: str | None = None
    msg: Ts | None = None
    content: str | None = None
    channel: ChannelId | None = None
    event_ts: Ts | None = None


class BadgeCountsUpdatedEvent(Event, frozen=True, kw_only=True, tag="badge_counts_updated"):
    """The counters on the client's badge changed. Read them from the raw frame.

    To: you, on all your connections. Source: read in an SDK.
    """


class ActivityEvent(Event, frozen=True, kw_only=True, tag="activity"):
    """Something new in your activity feed. ``subtype`` is data here.

    To: you, on all your connections. Source: read in an SDK.
    """

    subtype: str | None = None
    key: str | None = None
    activity: OpenData = UNSET
    event_ts: Ts | None = None


class AppsUninstalledEvent(Event, frozen=True, kw_only=True, tag="apps_uninstalled"):
    """An app was uninstalled.

    To: everybody in the workspace. Source: read in an SDK.
    """

    app_id: AppId | None = None
    event_ts: Ts | None = None


class ShRoomJoinEvent(Event, frozen=True, kw_only=True, tag="sh_room_join"):
    """A user joined a huddle or call.

    To: the members of the conversation. Source: read in an SDK.
    """

    room: OpenData
    user: UserId | None = None
    huddle: OpenData = UNSET
    event_ts: Ts | None = None
    ts: Ts | None = None


class ShRoomLeaveEvent(Event, frozen=True, kw_only=True, tag="sh_room_leave"):
    """A user left a huddle or call.

    To: the members of the conversation. Source: read in an SDK.
    """

    room: OpenData
    user: UserId | None = None
    huddle: OpenData = UNSET
    event_ts: Ts | None = None
    ts: Ts | None = None


class ShRoomUpdateEvent(Event, frozen=True, kw_only=True, tag="sh_room_update"):
    """A huddle or call changed.

    To: the members of the conversation. Source: read in an SDK.
    """

    room: OpenData
    user: UserId | None = None
    huddle: OpenData = UNSET
    event_ts: Ts | None = None
    ts: Ts | None = None


class AiAssistantStatusEvent(Event, frozen=True, kw_only=True, tag="ai_assistant_status"):
    """What an AI assistant says it is doing, in a thread; an empty text clears it.

    To: the members of the conversation. Source: captured.
    """

    channel_id: ChannelId
    thread_ts: Ts
    bot_user_id: UserId
    status: str
    status_type: str | None = None
    event_ts: Ts
    ts: Ts | None = None


class DraftCreateEvent(Event, frozen=True, kw_only=True, tag="draft_create"):
    """A draft was stored.

    To: you, on all your connections. Source: uncertain, from reports of what clients saw.
    """

    draft: OpenData = UNSET
    event_ts: Ts | None = None


class DraftUpdateEvent(Event, frozen=True, kw_only=True, tag="draft_update"):
    """A draft changed.

    To: you, on all your connections. Source: uncertain, from reports of what clients saw.
    """

    draft: OpenData = UNSET
    event_ts: Ts | None = None


class DraftDeleteEvent(Event, frozen=True, kw_only=True, tag="draft_delete"):
    """A draft is gone.

    To: you, on all your connections. Source: uncertain, from reports of what clients saw.
    """

    draft: OpenData = UNSET
    event_ts: Ts | None = None


class DraftSentEvent(Event, frozen=True, kw_only=True, tag="draft_sent"):
    """A draft was sent.

    To: you, on all your connections. Source: uncertain, from reports of what clients saw.
    """

    draft: OpenData = UNSET
    event_ts: Ts | None = None
