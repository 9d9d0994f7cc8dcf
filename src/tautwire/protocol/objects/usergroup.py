"""User groups, called subteams on the wire. Source: wire/objects.md#user-group (documented)."""

from tautwire.protocol.ids import TeamId, UsergroupId, UserId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.opendata import UNSET, OpenData


class Usergroup(WireObject, frozen=True, kw_only=True):
    """A named set of users that can be mentioned. All dates are seconds since 1970."""

    id: UsergroupId
    team_id: TeamId | None = None
    is_usergroup: bool | None = None
    is_subteam: bool | None = None
    name: str | None = None
    description: str | None = None
    handle: str | None = None
    is_external: bool | None = None
    date_create: int | None = None
    date_update: int | None = None
    date_delete: int | None = None
    """0 while the group is enabled."""

    auto_type: str | None = None
    """``admins`` or ``owners`` if the group fills itself."""

    auto_provision: bool | None = None
    enterprise_subteam_id: str | None = None
    created_by: UserId | None = None
    updated_by: UserId | None = None
    deleted_by: UserId | None = None
    prefs: OpenData = UNSET
    """``channels`` and ``groups`` new members are put into."""

    users: list[UserId] | None = None
    """Cut at 500 in events."""

    user_count: int | None = None
    channel_count: int | None = None
