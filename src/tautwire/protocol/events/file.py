"""Files. Since 2016 ``file`` holds the id alone: ask files.info for the rest."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import ChannelId, FileCommentId, FileId, Ts, UserId
from tautwire.protocol.objects import File, FileComment


class FileCreatedEvent(Event, frozen=True, kw_only=True, tag="file_created"):
    """You uploaded a file.

    To: you, on all your connections. Source: documented.
    """

    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None


class FileSharedEvent(Event, frozen=True, kw_only=True, tag="file_shared"):
    """A file was shared into a conversation.

    To: users who may see the file. Source: documented.
    """

    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None
    channel_id: ChannelId | None = None


class FileUnsharedEvent(Event, frozen=True, kw_only=True, tag="file_unshared"):
    """A file was withdrawn from a conversation.

    To: users who may see the file. Source: documented.
    """

    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None
    channel_id: ChannelId | None = None


class FilePublicEvent(Event, frozen=True, kw_only=True, tag="file_public"):
    """A file can be seen by everybody now.

    To: users who may see the file. Source: documented.
    """

    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None


class FilePrivateEvent(Event, frozen=True, kw_only=True, tag="file_private"):
    """A file is private now.

    Retired: no longer sent.

    To: everybody in the workspace. Source: documented.
    """

    file: FileId
    """The id, unlike in all other events."""

    event_ts: Ts | None = None


class FileChangeEvent(Event, frozen=True, kw_only=True, tag="file_change"):
    """Something about a file changed.

    To: users who may see the file. Source: documented.
    """

    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None


class FileDeletedEvent(Event, frozen=True, kw_only=True, tag="file_deleted"):
    """A file is gone. Not sent when its time of keeping is over.

    To: everybody in the workspace. Source: documented.
    """

    file_id: FileId
    channel_ids: list[ChannelId] | None = None
    event_ts: Ts


class FileCommentAddedEvent(Event, frozen=True, kw_only=True, tag="file_comment_added"):
    """Somebody commented on a file.

    Retired: no longer sent.

    To: users who may see the file. Source: documented.
    """

    comment: FileComment
    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None


class FileCommentEditedEvent(Event, frozen=True, kw_only=True, tag="file_comment_edited"):
    """A comment on a file was edited.

    Retired: no longer sent.

    To: users who may see the file. Source: documented.
    """

    comment: FileComment
    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None


class FileCommentDeletedEvent(Event, frozen=True, kw_only=True, tag="file_comment_deleted"):
    """A comment on a file is gone.

    Retired: no longer sent.

    To: users who may see the file. Source: documented.
    """

    comment: FileCommentId
    file_id: FileId
    file: File
    user_id: UserId | None = None
    event_ts: Ts | None = None
