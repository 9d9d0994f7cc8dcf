"""Messages: what people and bots write, and what becomes of it.

A subtype is a class of its own, not a kind of ``MessageEvent``: that one is a message as people and bots write it. All
of them are ``AnyMessage``. System lines such as joins are in ``message_system``.
"""

from typing import Literal

from tautwire.protocol.events._base import Event, const
from tautwire.protocol.ids import AppId, BotId, ChannelId, FileId, TeamId, Ts, UserId
from tautwire.protocol.objects import Bot, Edited, File, FileComment, Message, Profile, Reaction
from tautwire.protocol.opendata import UNSET, OpenData


class AnyMessage(Event, frozen=True, kw_only=True):
    """What all message events have, whatever their subtype."""

    channel: ChannelId
    event_ts: Ts | None = None
    team: TeamId | None = None
    channel_type: str | None = None
    """``channel``, ``group``, ``im`` or ``mpim``; only where the frame came by way of the Events API."""


class MessageEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """Somebody said something.

    Your own messages come too, if they were not sent in a frame of this very connection: compare ``user`` or
    ``bot_id``. On a connection that was made anew, ``reply_to`` marks a copy of the last message sent over the old one.

    To: the members of the conversation, on every connection but the one that sent it in a frame (which gets the
    ``Ack``).
    Source: documented, captured, read in an SDK.
    """

    subtype: None = None
    user: UserId | None = None
    text: str
    ts: Ts
    user_team: TeamId | None = None
    source_team: TeamId | None = None
    client_msg_id: str | None = None
    suppress_notification: bool | None = None
    thread_ts: Ts | None = None
    parent_user_id: UserId | None = None
    reply_count: int | None = None
    reply_users_count: int | None = None
    latest_reply: Ts | None = None
    reply_users: list[UserId] | None = None
    edited: Edited | None = None
    attachments: OpenData = UNSET
    blocks: OpenData = UNSET
    files: list[File] | None = None
    upload: bool | None = None
    display_as_bot: bool | None = None
    bot_id: BotId | None = None
    app_id: AppId | None = None
    bot_profile: Bot | None = None
    user_profile: Profile | None = None
    reactions: list[Reaction] | None = None
    pinned_to: list[ChannelId] | None = None
    is_starred: bool | None = None
    is_ephemeral: bool | None = None
    metadata: OpenData = UNSET
    reply_to: int | None = None
    hidden: bool | None = None


class MessageBotEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """An integration posted: a webhook, or a bot under another name.

    Most bots should ignore those with their own ``bot_id``. A message only one user can see is ``is_ephemeral``.

    To: the members of the conversation. Source: documented.
    """

    subtype: Literal["bot_message"] = const("bot_message")
    ts: Ts
    text: str
    user: UserId | None = None
    is_ephemeral: bool | None = None
    bot_id: BotId
    username: str | None = None
    icons: OpenData = UNSET
    attachments: OpenData = UNSET
    blocks: OpenData = UNSET
    thread_ts: Ts | None = None
    app_id: AppId | None = None
    bot_profile: Bot | None = None
    edited: Edited | None = None


class MessageMeEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """Somebody did something: a ``/me`` message.

    To: the members of the conversation. Source: documented.
    """

    subtype: Literal["me_message"] = const("me_message")
    ts: Ts
    user: UserId
    text: str
    blocks: OpenData = UNSET


class MessageChangedEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """A message is different now: edited, its links shown, its files or attachments changed.

    ``message`` replaces the one with the same ``message.ts``; ``ts`` is that of the change. Only when a person edited
    it is there ``message.edited``. One that only one user can see is ``is_ephemeral``.

    To: the members of the conversation. Source: documented, captured.
    """

    subtype: Literal["message_changed"] = const("message_changed")
    ts: Ts
    hidden: bool = const(True)
    message: Message
    previous_message: Message | None = None
    is_ephemeral: bool | None = None


class MessageDeletedEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """A message is gone: the one with ``deleted_ts``.

    The parent of a thread becomes a tombstone instead, by ``MessageChangedEvent``. One that only one user could see
    is ``is_ephemeral``.

    To: the members of the conversation. Source: documented.
    """

    subtype: Literal["message_deleted"] = const("message_deleted")
    ts: Ts | None = None
    hidden: bool = const(True)
    deleted_ts: Ts
    previous_message: Message | None = None
    is_ephemeral: bool | None = None


class MessageRepliedEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """A thread got a reply; ``message`` is its parent with new counters.

    Comes after the reply (2017) or before it (2026).

    To: the members of the conversation. Source: documented, captured.
    """

    subtype: Literal["message_replied"] = const("message_replied")
    ts: Ts
    hidden: bool = const(True)
    message: Message


class MessageThreadBroadcastEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """A reply in a thread that is shown in the channel as well.

    To: the members of the conversation. Source: documented, read in an SDK.
    """

    subtype: Literal["thread_broadcast"] = const("thread_broadcast")
    ts: Ts
    user: UserId
    text: str
    thread_ts: Ts
    root: Message
    client_msg_id: str | None = None
    blocks: OpenData = UNSET
    attachments: OpenData = UNSET


class MessageReplyBroadcastEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """The old form of a thread broadcast.

    Retired: no longer sent.

    To: the members of the conversation. Source: documented.
    """

    subtype: Literal["reply_broadcast"] = const("reply_broadcast")
    ts: Ts
    user: UserId | None = None
    thread_ts: Ts | None = None
    broadcast_thread_ts: Ts | None = None
    attachments: OpenData = UNSET
    plain_text: str | None = None


class MessageFileShareEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """A file was shared; ``text`` is what its owner said about it.

    To: the members of the conversation. Source: documented, captured, read in an SDK.
    """

    subtype: Literal["file_share"] = const("file_share")
    ts: Ts
    user: UserId
    text: str
    files: list[File] | None = None
    file: File | None = None
    """The single file of messages from before 2018."""

    upload: bool
    """False if the file was there before."""

    username: str | None = None
    display_as_bot: bool | None = None
    thread_ts: Ts | None = None
    parent_user_id: UserId | None = None
    x_files: list[FileId] | None = None
    blocks: OpenData = UNSET


class MessageFileCommentEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """Somebody commented on a file.

    Retired: no longer sent.

    To: the members of the conversation. Source: documented.
    """

    subtype: Literal["file_comment"] = const("file_comment")
    ts: Ts
    text: str
    user: UserId | None = None
    file: File
    comment: FileComment
    is_intro: bool | None = None


class MessageFileMentionEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """Somebody mentioned the address of a file.

    Retired: no longer sent.

    To: the members of the conversation. Source: documented.
    """

    subtype: Literal["file_mention"] = const("file_mention")
    ts: Ts
    user: UserId
    text: str
    file: File


class MessageEkmAccessDeniedEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """A message is withheld because its organisation revoked the encryption key.

    ``user`` is UREVOKEDU, ``text`` stands in for the real one.

    To: the members of the conversation. Source: documented.
    """

    subtype: Literal["ekm_access_denied"] = const("ekm_access_denied")
    ts: Ts
    user: UserId
    text: str


class MessageAssistantAppThreadEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """The root of a thread with an AI assistant, in a direct message with an app.

    To: the members of the conversation. Source: documented (name only).
    """

    subtype: Literal["assistant_app_thread"] = const("assistant_app_thread")
    ts: Ts
    user: UserId | None = None
    text: str | None = None
    thread_ts: Ts | None = None
    assistant_app_thread: OpenData


class MessageDocumentMentionEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """A bot is mentioned in a canvas.

    To: you, on all your connections. Source: documented (name only).
    """

    subtype: Literal["document_mention"] = const("document_mention")
    ts: Ts
    user: UserId
    text: str


class MessageTombstoneEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """What is left of a deleted message that has replies.

    Found inside ``MessageChangedEvent`` and in history rather than on its own.

    To: the members of the conversation. Source: read in an SDK.
    """

    subtype: Literal["tombstone"] = const("tombstone")
    ts: Ts
    user: UserId
    text: str


class MessageSlackbotResponseEvent(AnyMessage, frozen=True, kw_only=True, tag="message"):
    """The built-in bot answered a phrase it was taught.

    To: the members of the conversation. Source: uncertain, from reports of what clients saw.
    """

    subtype: Literal["slackbot_response"] = const("slackbot_response")
    ts: Ts
    user: UserId
    text: str
