"""The events that only the Events API has, as structures: their fields are known here, nothing more.

RTM has no such frames, so they are no ``Event``, and the client knows no classes for them. ``APP_EVENTS`` is the list
of all: those of ``correspondence.ONLY_EVENTS_API``. In docstrings "the app" is the one that subscribes to the event.
Source: documented.
"""

from typing import Any, Final

from msgspec import Struct

from tautwire.protocol.ids import AppId, BotId, ChannelId, TeamId, Ts, UserId


class AppMention(Struct, frozen=True, kw_only=True, tag="app_mention"):
    """A message names the bot of the app."""

    user: UserId
    text: str
    ts: Ts
    channel: ChannelId
    event_ts: Ts
    thread_ts: Ts | None = None
    team: TeamId | None = None
    client_msg_id: str | None = None
    blocks: list[Any] | None = None
    attachments: list[Any] | None = None
    files: list[Any] | None = None


class AppHomeOpened(Struct, frozen=True, kw_only=True, tag="app_home_opened"):
    """A person opens the home of the app."""

    user: UserId
    channel: ChannelId
    tab: str
    event_ts: Ts
    view: dict[str, Any] | None = None


class AppUninstalled(Struct, frozen=True, kw_only=True, tag="app_uninstalled"):
    """The app is uninstalled from the workspace."""

    event_ts: Ts | None = None


class TokensRevoked(Struct, frozen=True, kw_only=True, tag="tokens_revoked"):
    """Tokens of the app are revoked; ``tokens`` has the users of each kind, ``oauth`` and ``bot``."""

    tokens: dict[str, list[UserId]]
    event_ts: Ts | None = None


class LinkShared(Struct, frozen=True, kw_only=True, tag="link_shared"):
    """A message has a link of a domain that the app has registered."""

    channel: ChannelId
    user: UserId
    message_ts: Ts
    links: list[dict[str, str]]
    event_ts: Ts
    thread_ts: Ts | None = None
    is_bot_user_member: bool | None = None
    unfurl_id: str | None = None
    source: str | None = None


class ChannelShared(Struct, frozen=True, kw_only=True, tag="channel_shared"):
    """A channel is shared with another workspace."""

    connected_team_id: TeamId
    channel: ChannelId
    event_ts: Ts


class ChannelUnshared(Struct, frozen=True, kw_only=True, tag="channel_unshared"):
    """A channel is no longer shared with another workspace."""

    previously_connected_team_id: TeamId
    channel: ChannelId
    is_ext_shared: bool
    event_ts: Ts


class ChannelIdChanged(Struct, frozen=True, kw_only=True, tag="channel_id_changed"):
    """A channel has a new id."""

    old_channel_id: ChannelId
    new_channel_id: ChannelId
    event_ts: Ts


class _Invite(Struct, frozen=True, kw_only=True):
    event_ts: Ts
    invite: dict[str, Any] | None = None
    channel: dict[str, Any] | None = None


class SharedChannelInviteAccepted(_Invite, frozen=True, kw_only=True, tag="shared_channel_invite_accepted"):
    """An invitation to a shared channel is accepted."""


class SharedChannelInviteApproved(_Invite, frozen=True, kw_only=True, tag="shared_channel_invite_approved"):
    """An invitation to a shared channel is approved."""


class SharedChannelInviteDeclined(_Invite, frozen=True, kw_only=True, tag="shared_channel_invite_declined"):
    """An invitation to a shared channel is declined."""


class _Metadata(Struct, frozen=True, kw_only=True):
    app_id: AppId
    channel_id: ChannelId
    message_ts: Ts
    event_ts: Ts
    bot_id: BotId | None = None
    user_id: UserId | None = None
    team_id: TeamId | None = None
    metadata: dict[str, Any] | None = None
    previous_metadata: dict[str, Any] | None = None
    deleted_ts: Ts | None = None


class MessageMetadataPosted(_Metadata, frozen=True, kw_only=True, tag="message_metadata_posted"):
    """A message with metadata is posted."""


class MessageMetadataUpdated(_Metadata, frozen=True, kw_only=True, tag="message_metadata_updated"):
    """The metadata of a message change."""


class MessageMetadataDeleted(_Metadata, frozen=True, kw_only=True, tag="message_metadata_deleted"):
    """A message with metadata is deleted."""


class FunctionExecuted(Struct, frozen=True, kw_only=True, tag="function_executed"):
    """A function of the app runs as a step of a workflow."""

    function: dict[str, Any]
    inputs: dict[str, Any]
    function_execution_id: str
    event_ts: Ts
    workflow_execution_id: str | None = None
    bot_access_token: str | None = None


class AssistantThreadStarted(Struct, frozen=True, kw_only=True, tag="assistant_thread_started"):
    """A person opens a thread with the assistant of the app."""

    assistant_thread: dict[str, Any]
    event_ts: Ts


class AssistantThreadContextChanged(Struct, frozen=True, kw_only=True, tag="assistant_thread_context_changed"):
    """A person who has a thread with the assistant of the app goes to another channel."""

    assistant_thread: dict[str, Any]
    event_ts: Ts


APP_EVENTS: Final[tuple[type[Struct], ...]] = (
    AppHomeOpened,
    AppMention,
    AppUninstalled,
    AssistantThreadContextChanged,
    AssistantThreadStarted,
    ChannelIdChanged,
    ChannelShared,
    ChannelUnshared,
    FunctionExecuted,
    LinkShared,
    MessageMetadataDeleted,
    MessageMetadataPosted,
    MessageMetadataUpdated,
    SharedChannelInviteAccepted,
    SharedChannelInviteApproved,
    SharedChannelInviteDeclined,
    TokensRevoked,
)
