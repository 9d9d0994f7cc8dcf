"""Workspaces. Source: wire/objects.md#team (documented)."""

from tautwire.protocol.ids import EnterpriseId, TeamId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.opendata import UNSET, OpenData


class Team(WireObject, frozen=True, kw_only=True):
    """A workspace."""

    id: TeamId
    name: str | None = None
    domain: str | None = None
    enterprise_id: EnterpriseId | None = None
    enterprise_name: str | None = None
    enterprise_domain: str | None = None
    url: str | None = None
    public_url: str | None = None
    email_domain: str | None = None
    icon: OpenData = UNSET
    """Addresses under ``image_34`` to ``image_230``, and ``image_default``."""

    avatar_base_url: str | None = None
    is_verified: bool | None = None
    is_migrating: bool | None = None
    discoverable: str | None = None
    locale: str | None = None
    plan: str | None = None
    prefs: OpenData = UNSET
    msg_edit_window_mins: int | None = None
    """-1 for no limit."""

    over_storage_limit: bool | None = None
    over_integrations_limit: bool | None = None
