"""Organisations and channels shared with other workspaces."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts
from tautwire.protocol.objects import Channel, Team
from tautwire.protocol.opendata import OpenData


class ExternalOrgMigrationStartedEvent(Event, frozen=True, kw_only=True, tag="external_org_migration_started"):
    """A connected workspace begins to move into an organisation.

    To: everybody in the workspace. Source: documented.
    """

    team: Team
    date_started: int


class ExternalOrgMigrationFinishedEvent(Event, frozen=True, kw_only=True, tag="external_org_migration_finished"):
    """That move is done.

    To: everybody in the workspace. Source: documented.
    """

    team: Team
    date_started: int
    date_finished: int


class SharedChannelInviteReceivedEvent(Event, frozen=True, kw_only=True, tag="shared_channel_invite_received"):
    """The bot is invited to a channel of another workspace.

    To: the invited bot. Source: documented.
    """

    invite: OpenData
    channel: Channel
    event_ts: Ts
