"""Conversations of every kind. Source: wire/objects.md#conversation (documented, captured)."""

from tautwire.protocol.ids import ChannelId, EnterpriseId, TeamId, Ts, UserId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.objects.message import Message
from tautwire.protocol.opendata import UNSET, OpenData


class Note(WireObject, frozen=True, kw_only=True):
    """The topic or the purpose of a conversation."""

    value: str | None = None
    creator: UserId | None = None
    last_set: int | None = None
    """Seconds since 1970; 0 for never."""


class Channel(WireObject, frozen=True, kw_only=True):
    """A conversation: public or private channel, direct message of two or of several."""

    id: ChannelId
    name: str | None = None
    name_normalized: str | None = None
    created: int | None = None
    """Seconds since 1970."""

    creator: UserId | None = None
    updated: int | None = None
    """Milliseconds since 1970, unlike every other time."""

    user: UserId | None = None
    """The other one; direct messages only."""

    is_channel: bool | None = None
    is_group: bool | None = None
    is_im: bool | None = None
    is_mpim: bool | None = None
    is_private: bool | None = None
    is_archived: bool | None = None
    is_general: bool | None = None
    is_member: bool | None = None
    is_open: bool | None = None
    is_read_only: bool | None = None
    is_thread_only: bool | None = None
    is_non_threadable: bool | None = None
    is_frozen: bool | None = None
    is_starred: bool | None = None
    is_user_deleted: bool | None = None
    is_shared: bool | None = None
    is_org_shared: bool | None = None
    is_ext_shared: bool | None = None
    is_pending_ext_shared: bool | None = None
    is_global_shared: bool | None = None
    is_org_default: bool | None = None
    is_org_mandatory: bool | None = None
    is_moved: int | None = None
    """0 or 1, never a boolean."""

    unlinked: int | None = None
    topic: Note | None = None
    purpose: Note | None = None
    previous_names: list[str] | None = None
    members: list[UserId] | None = None
    num_members: int | None = None
    last_read: Ts | None = None
    latest: Message | None = None
    unread_count: int | None = None
    unread_count_display: int | None = None
    has_pins: bool | None = None
    priority: float | None = None
    locale: str | None = None
    properties: OpenData = UNSET
    context_team_id: TeamId | None = None
    conversation_host_id: str | None = None
    enterprise_id: EnterpriseId | None = None
    parent_conversation: str | None = None
    shared_team_ids: list[TeamId] | None = None
    internal_team_ids: list[TeamId] | None = None
    connected_team_ids: list[TeamId] | None = None
    connected_limited_team_ids: list[TeamId] | None = None
    pending_shared: list[TeamId] | None = None
    pending_connected_team_ids: list[TeamId] | None = None
