"""Messages as they are stored, and what hangs on them.

Source: wire/messages.md and wire/objects.md#message (documented, captured).
"""

from tautwire.protocol.ids import AppId, BotId, ChannelId, TeamId, Ts, UserId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.objects.bot import Bot
from tautwire.protocol.objects.file import File
from tautwire.protocol.objects.user import Profile
from tautwire.protocol.opendata import UNSET, OpenData


class Edited(WireObject, frozen=True, kw_only=True):
    """Who changed a message, and when."""

    ts: Ts
    user: UserId | None = None


class Reaction(WireObject, frozen=True, kw_only=True):
    """An emoji on a message and who put it there."""

    name: str
    count: int | None = None
    users: list[UserId] | None = None
    """May be cut; you are kept if you reacted."""


class Reply(WireObject, frozen=True, kw_only=True):
    """A reply in the list a thread's parent once carried."""

    ts: Ts
    user: UserId | None = None


class Message(WireObject, frozen=True, kw_only=True):
    """A message inside another thing: what an edit made of it, the parent of a thread, a pinned item.

    The event that tells of a new message is ``MessageEvent``.
    """

    ts: Ts
    type: str | None = None
    subtype: str | None = None
    channel: ChannelId | None = None
    """Absent where the thing around it names the channel."""

    user: UserId | None = None
    text: str | None = None
    team: TeamId | None = None
    user_team: TeamId | None = None
    source_team: TeamId | None = None
    client_msg_id: str | None = None
    thread_ts: Ts | None = None
    parent_user_id: UserId | None = None
    reply_count: int | None = None
    reply_users_count: int | None = None
    reply_users: list[UserId] | None = None
    latest_reply: Ts | None = None
    replies: list[Reply] | None = None
    is_locked: bool | None = None
    subscribed: bool | None = None
    last_read: Ts | None = None
    unread_count: int | None = None
    edited: Edited | None = None
    blocks: OpenData = UNSET
    attachments: OpenData = UNSET
    metadata: OpenData = UNSET
    icons: OpenData = UNSET
    room: OpenData = UNSET
    root: OpenData = UNSET
    """The parent, in a reply that is shown in the channel as well."""

    files: list[File] | None = None
    file: File | None = None
    """The single file of messages from before 2018."""

    upload: bool | None = None
    display_as_bot: bool | None = None
    bot_id: BotId | None = None
    app_id: AppId | None = None
    bot_profile: Bot | None = None
    username: str | None = None
    user_profile: Profile | None = None
    reactions: list[Reaction] | None = None
    pinned_to: list[ChannelId] | None = None
    is_starred: bool | None = None
    hidden: bool | None = None
    inviter: UserId | None = None
    topic: str | None = None
    purpose: str | None = None
    name: str | None = None
    old_name: str | None = None
    permalink: str | None = None
