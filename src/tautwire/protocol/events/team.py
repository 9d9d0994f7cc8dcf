"""The workspace: its name, plan, preferences, bots and commands."""

from tautwire.protocol.events._base import Event
from tautwire.protocol.ids import Ts
from tautwire.protocol.objects import Bot
from tautwire.protocol.opendata import OpenData


class BotAddedEvent(Event, frozen=True, kw_only=True, tag="bot_added"):
    """An integration was added.

    To: everybody in the workspace. Source: documented.
    """

    bot: Bot
    cache_ts: int | None = None
    event_ts: Ts | None = None


class BotChangedEvent(Event, frozen=True, kw_only=True, tag="bot_changed"):
    """An integration changed.

    To: everybody in the workspace. Source: documented.
    """

    bot: Bot
    cache_ts: int | None = None
    event_ts: Ts | None = None


class CommandsChangedEvent(Event, frozen=True, kw_only=True, tag="commands_changed"):
    """A slash command was added, changed or removed.

    To: everybody in the workspace. Source: documented.
    """

    event_ts: Ts


class TeamRenameEvent(Event, frozen=True, kw_only=True, tag="team_rename"):
    """The workspace was renamed.

    To: everybody in the workspace. Source: documented.
    """

    name: str
    event_ts: Ts | None = None


class TeamDomainChangeEvent(Event, frozen=True, kw_only=True, tag="team_domain_change"):
    """The workspace has a new subdomain.

    To: everybody in the workspace. Source: documented.
    """

    url: str
    domain: str
    event_ts: Ts | None = None


class EmailDomainChangedEvent(Event, frozen=True, kw_only=True, tag="email_domain_changed"):
    """The e-mail domain that may sign up changed.

    To: everybody in the workspace. Source: documented.
    """

    email_domain: str
    event_ts: Ts


class TeamPlanChangeEvent(Event, frozen=True, kw_only=True, tag="team_plan_change"):
    """The workspace is billed by another plan.

    To: everybody in the workspace. Source: documented.
    """

    plan: str
    """Empty, ``std``, ``plus``, ``compliance`` or ``enterprise``."""

    can_add_ura: bool | None = None
    paid_features: list[str] | None = None


class TeamPrefChangeEvent(Event, frozen=True, kw_only=True, tag="team_pref_change"):
    """A preference of the workspace changed.

    The value is documented as a boolean; SDKs expect a string or a list of strings.

    To: everybody in the workspace. Source: documented.
    """

    name: str
    value: OpenData


class TeamProfileChangeEvent(Event, frozen=True, kw_only=True, tag="team_profile_change"):
    """Definitions of custom profile fields changed; ``profile`` has the changed ones.

    To: everybody in the workspace. Source: documented.
    """

    profile: OpenData
    event_ts: Ts | None = None


class TeamProfileDeleteEvent(Event, frozen=True, kw_only=True, tag="team_profile_delete"):
    """Definitions of custom profile fields were deleted; ``profile`` has their ids.

    To: everybody in the workspace. Source: documented.
    """

    profile: OpenData
    event_ts: Ts | None = None


class TeamProfileReorderEvent(Event, frozen=True, kw_only=True, tag="team_profile_reorder"):
    """Custom profile fields stand in another order; ``profile`` has ids and places.

    To: everybody in the workspace. Source: documented.
    """

    profile: OpenData
    event_ts: Ts | None = None
