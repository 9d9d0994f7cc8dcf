"""User groups, called subteams on the wire."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import TeamId, Ts, UsergroupId, UserId
from tautwire.protocol.objects import Usergroup


class SubteamCreatedEvent(Event, frozen=True, kw_only=True, tag="subteam_created"):
    """A user group was made.

    To: everybody in the workspace. Source: documented.
    """

    subteam: Usergroup
    event_ts: Ts | None = None


class SubteamUpdatedEvent(Event, frozen=True, kw_only=True, tag="subteam_updated"):
    """A user group, or who is in it, changed, or it was disabled.

    To: everybody in the workspace. Source: documented.
    """

    subteam: Usergroup
    event_ts: Ts | None = None


class SubteamMembersChangedEvent(Event, frozen=True, kw_only=True, tag="subteam_members_changed"):
    """Users were put into a user group or taken out.

    To: everybody in the workspace. Source: documented.
    """

    subteam_id: UsergroupId
    team_id: TeamId
    date_previous_update: int
    date_update: int
    added_users: list[UserId] | None = None
    added_users_count: int | None = None
    removed_users: list[UserId] | None = None
    removed_users_count: int | None = None
    event_ts: Ts | None = None


class SubteamSelfAddedEvent(Event, frozen=True, kw_only=True, tag="subteam_self_added"):
    """You were put into a user group.

    To: you, on all your connections. Source: documented.
    """

    subteam_id: UsergroupId
    event_ts: Ts | None = None


class SubteamSelfRemovedEvent(Event, frozen=True, kw_only=True, tag="subteam_self_removed"):
    """You were taken out of a user group.

    To: you, on all your connections. Source: documented.
    """

    subteam_id: UsergroupId
    event_ts: Ts | None = None
