"""System lines: messages a server writes when something happens in a conversation.

A client without interest in them shows ``text``. Most things that cause one have an event of their own besides, which
is the better one to act on.
"""

from typing import Literal

from tautwire.protocol.events._base import const
from tautwire.protocol.events.message import AnyMessage
from tautwire.protocol.ids import BotId, Ts, UserId
from tautwire.protocol.objects import Profile
from tautwire.protocol.opendata import UNSET, OpenData


class SystemLine(AnyMessage, frozen=True, kw_only=True):
    """A line written by the server. To: the members of the conversation, if the class tells nothing else."""

    ts: Ts
    user: UserId
    """Whom the line is about."""

    text: str


class MessageChannelJoinEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A user joined the channel.

    Private channels of our time use it too.

    Source: documented.
    """

    subtype: Literal["channel_join"] = const("channel_join")
    inviter: UserId | None = None
    user_profile: Profile | None = None


class MessageChannelLeaveEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A user left the channel or was removed from it.

    Source: documented.
    """

    subtype: Literal["channel_leave"] = const("channel_leave")
    user_profile: Profile | None = None


class MessageChannelTopicEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The topic was set.

    Source: documented.
    """

    subtype: Literal["channel_topic"] = const("channel_topic")
    topic: str
    user_profile: Profile | None = None


class MessageChannelPurposeEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The purpose was set.

    Source: documented.
    """

    subtype: Literal["channel_purpose"] = const("channel_purpose")
    purpose: str
    user_profile: Profile | None = None


class MessageChannelNameEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The channel was renamed.

    Source: documented.
    """

    subtype: Literal["channel_name"] = const("channel_name")
    old_name: str
    name: str
    user_profile: Profile | None = None


class MessageChannelArchiveEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The channel was archived.

    Source: documented.
    """

    subtype: Literal["channel_archive"] = const("channel_archive")
    members: list[UserId] | None = None
    user_profile: Profile | None = None


class MessageChannelUnarchiveEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The channel was brought back from the archive.

    Source: documented.
    """

    subtype: Literal["channel_unarchive"] = const("channel_unarchive")
    user_profile: Profile | None = None


class MessageChannelConvertToPrivateEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A public channel was made private.

    Source: documented (name only), read in an SDK.
    """

    subtype: Literal["channel_convert_to_private"] = const("channel_convert_to_private")


class MessageChannelConvertToPublicEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A private channel was made public.

    Source: documented (name only), read in an SDK.
    """

    subtype: Literal["channel_convert_to_public"] = const("channel_convert_to_public")


class MessageChannelPostingPermissionsEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """Who may post in the channel was changed.

    Source: documented, read in an SDK.
    """

    subtype: Literal["channel_posting_permissions"] = const("channel_posting_permissions")


class MessageGroupJoinEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A user joined the private channel.

    Of old conversations only.

    Source: documented.
    """

    subtype: Literal["group_join"] = const("group_join")
    inviter: UserId | None = None
    user_profile: Profile | None = None


class MessageGroupLeaveEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A user left the private channel or was removed from it.

    Of old conversations only.

    Source: documented.
    """

    subtype: Literal["group_leave"] = const("group_leave")
    user_profile: Profile | None = None


class MessageGroupTopicEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The topic of the private channel was set.

    Of old conversations only.

    Source: documented.
    """

    subtype: Literal["group_topic"] = const("group_topic")
    topic: str
    user_profile: Profile | None = None


class MessageGroupPurposeEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The purpose of the private channel was set.

    Of old conversations only.

    Source: documented.
    """

    subtype: Literal["group_purpose"] = const("group_purpose")
    purpose: str
    user_profile: Profile | None = None


class MessageGroupNameEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The private channel was renamed.

    Of old conversations only.

    Source: documented.
    """

    subtype: Literal["group_name"] = const("group_name")
    old_name: str
    name: str
    user_profile: Profile | None = None


class MessageGroupArchiveEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The private channel was archived.

    Of old conversations only.

    Source: documented.
    """

    subtype: Literal["group_archive"] = const("group_archive")
    members: list[UserId] | None = None
    user_profile: Profile | None = None


class MessageGroupUnarchiveEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The private channel was brought back from the archive.

    Of old conversations only.

    Source: documented.
    """

    subtype: Literal["group_unarchive"] = const("group_unarchive")
    user_profile: Profile | None = None


class MessagePinnedItemEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """Something was pinned.

    Source: documented.
    """

    subtype: Literal["pinned_item"] = const("pinned_item")
    item_type: str
    """``C``, ``G``, ``F`` or ``Fc``."""

    item: OpenData
    attachments: OpenData = UNSET


class MessageUnpinnedItemEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """Another user unpinned what you had pinned; sent by the built-in bot.

    To: you, on all your connections. Source: documented.
    """

    subtype: Literal["unpinned_item"] = const("unpinned_item")
    item_type: str
    item: OpenData


class MessageReminderAddEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A reminder was added to the channel.

    Source: documented (name only).
    """

    subtype: Literal["reminder_add"] = const("reminder_add")


class MessageBotAddEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """An integration was added to the channel.

    Source: captured.
    """

    subtype: Literal["bot_add"] = const("bot_add")
    bot_id: BotId
    bot_link: str | None = None


class MessageBotRemoveEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """An integration was removed from the channel.

    Source: read in an SDK.
    """

    subtype: Literal["bot_remove"] = const("bot_remove")
    bot_id: BotId
    bot_link: str | None = None


class MessageBotEnableEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """An integration was enabled.

    Source: uncertain, from reports of what clients saw.
    """

    subtype: Literal["bot_enable"] = const("bot_enable")
    bot_id: BotId


class MessageBotDisableEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """An integration was disabled.

    Source: captured.
    """

    subtype: Literal["bot_disable"] = const("bot_disable")
    bot_id: BotId


class MessageShRoomCreatedEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A call was started, in the old way.

    Source: uncertain, from reports of what clients saw.
    """

    subtype: Literal["sh_room_created"] = const("sh_room_created")
    room: OpenData


class MessageShRoomSharedEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A call was shared, in the old way.

    Source: uncertain, from reports of what clients saw.
    """

    subtype: Literal["sh_room_shared"] = const("sh_room_shared")
    room: OpenData


class MessageHuddleThreadEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """A huddle starts.

    Source: documented, read in an SDK.
    """

    subtype: Literal["huddle_thread"] = const("huddle_thread")
    room: OpenData
    permalink: str | None = None
    no_notifications: bool | None = None
    blocks: OpenData = UNSET


class MessageJoinerNotificationEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """Somebody you know joined the workspace.

    To: you, on all your connections. Source: uncertain, from reports of what clients saw.
    """

    subtype: Literal["joiner_notification"] = const("joiner_notification")


class MessageJoinerNotificationForInviterEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """The person you had invited joined the workspace.

    To: you, on all your connections. Source: uncertain, from reports of what clients saw.
    """

    subtype: Literal["joiner_notification_for_inviter"] = const("joiner_notification_for_inviter")


class MessageAppConversationJoinEvent(SystemLine, frozen=True, kw_only=True, tag="message"):
    """An app joined the conversation.

    Source: uncertain, from reports of what clients saw.
    """

    subtype: Literal["app_conversation_join"] = const("app_conversation_join")
