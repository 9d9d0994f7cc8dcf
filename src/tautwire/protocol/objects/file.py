"""Files and the comments they once had. Source: wire/objects.md#file (documented, captured)."""

from tautwire.protocol.ids import ChannelId, FileCommentId, FileId, TeamId, UserId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.opendata import UNSET, OpenData


class FileComment(WireObject, frozen=True, kw_only=True):
    """A comment on a file; retired in 2018."""

    id: FileCommentId
    created: int | None = None
    timestamp: int | None = None
    user: UserId | None = None
    comment: str | None = None
    is_intro: bool | None = None
    channel: ChannelId | None = None
    reactions: OpenData = UNSET


class File(WireObject, frozen=True, kw_only=True):
    """A file. Events carry the id alone, messages all of it, and a deleted or hidden file little more than ``mode``."""

    id: FileId
    created: int | None = None
    """Seconds since 1970."""

    timestamp: int | None = None
    """The old name of ``created``."""

    name: str | None = None
    title: str | None = None
    mimetype: str | None = None
    filetype: str | None = None
    pretty_type: str | None = None
    user: UserId | None = None
    user_team: TeamId | None = None
    username: str | None = None
    editable: bool | None = None
    size: int | None = None
    """Bytes."""

    mode: str | None = None
    """``hosted``, ``external``, ``snippet``, ``post``, ``tombstone``, ``hidden_by_limit``, ``file_access``, …"""

    file_access: str | None = None
    is_external: bool | None = None
    external_type: str | None = None
    is_public: bool | None = None
    public_url_shared: bool | None = None
    display_as_bot: bool | None = None
    media_display_type: str | None = None
    url_private: str | None = None
    """Needs the token in the request, as does the next."""

    url_private_download: str | None = None
    permalink: str | None = None
    permalink_public: str | None = None
    edit_link: str | None = None
    thumb_64: str | None = None
    thumb_80: str | None = None
    thumb_160: str | None = None
    thumb_360: str | None = None
    thumb_360_w: int | None = None
    thumb_360_h: int | None = None
    thumb_360_gif: str | None = None
    thumb_480: str | None = None
    thumb_720: str | None = None
    thumb_800: str | None = None
    thumb_960: str | None = None
    thumb_1024: str | None = None
    original_w: int | None = None
    original_h: int | None = None
    image_exif_rotation: int | None = None
    deanimate_gif: str | None = None
    pjpeg: str | None = None
    preview: str | None = None
    preview_highlight: str | None = None
    preview_is_truncated: bool | None = None
    lines: int | None = None
    lines_more: int | None = None
    has_rich_preview: bool | None = None
    comments_count: int | None = None
    initial_comment: FileComment | None = None
    num_stars: int | None = None
    is_starred: bool | None = None
    pinned_to: list[ChannelId] | None = None
    reactions: OpenData = UNSET
    channels: list[ChannelId] | None = None
    groups: list[ChannelId] | None = None
    ims: list[ChannelId] | None = None
    shares: OpenData = UNSET
    """Where the file was shared: ``public`` and ``private``, by channel."""
