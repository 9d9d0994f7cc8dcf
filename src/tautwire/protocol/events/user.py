"""Users: who they are, and your own preferences."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts
from tautwire.protocol.objects import User
from tautwire.protocol.opendata import OpenData


class TeamJoinEvent(Event, frozen=True, kw_only=True, tag="team_join"):
    """A new member is in the workspace.

    To: everybody in the workspace. Source: documented.
    """

    user: User
    cache_ts: int | None = None
    event_ts: Ts | None = None


class UserChangeEvent(Event, frozen=True, kw_only=True, tag="user_change"):
    """Something about a user changed: account, profile or status.

    user_profile_changed, user_status_changed and user_huddle_changed come at the same moment with the same members.

    To: everybody in the workspace. Source: documented.
    """

    user: User
    cache_ts: int | None = None
    event_ts: Ts | None = None


class UserProfileChangedEvent(Event, frozen=True, kw_only=True, tag="user_profile_changed"):
    """A profile changed; see ``UserChangeEvent``.

    To: everybody in the workspace. Source: documented.
    """

    user: User
    cache_ts: int | None = None
    event_ts: Ts | None = None


class UserStatusChangedEvent(Event, frozen=True, kw_only=True, tag="user_status_changed"):
    """A custom status changed; see ``UserChangeEvent``.

    To: everybody in the workspace. Source: documented.
    """

    user: User
    cache_ts: int | None = None
    event_ts: Ts | None = None


class UserHuddleChangedEvent(Event, frozen=True, kw_only=True, tag="user_huddle_changed"):
    """A user went into a huddle or out of it; see ``UserChangeEvent``.

    To: everybody in the workspace. Source: documented.
    """

    user: User
    cache_ts: int | None = None
    event_ts: Ts | None = None


class UserConnectionEvent(Event, frozen=True, kw_only=True, tag="user_connection"):
    """How a user is connected to an app changed.

    Its members on RTM are not documented; read them from the raw frame. New in 2025.

    To: the app concerned. Source: documented.
    """


class UserInvalidatedEvent(Event, frozen=True, kw_only=True, tag="user_invalidated"):
    """What is remembered of a user has to be read again; ``user`` has the id alone.

    To: everybody in the workspace. Source: read in an SDK.
    """

    user: User
    event_ts: Ts


class PrefChangeEvent(Event, frozen=True, kw_only=True, tag="pref_change"):
    """You changed a preference. The value may be of any type.

    To: you, on all your connections. Source: documented.
    """

    name: str
    value: OpenData


class AccountsChangedEvent(Event, frozen=True, kw_only=True, tag="accounts_changed"):
    """The accounts signed in in this browser changed.

    To: you, on all your connections. Source: documented.
    """

    event_ts: Ts | None = None
