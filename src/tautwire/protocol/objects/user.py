"""Users, their profiles and their Do Not Disturb state.

Source: wire/objects.md#user and wire/objects.md#small-objects (documented, captured).
"""

from tautwire.protocol.ids import AppId, BotId, EnterpriseId, TeamId, UserId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.opendata import UNSET, OpenData


class Profile(WireObject, frozen=True, kw_only=True):
    """What a user tells about themselves."""

    real_name: str | None = None
    real_name_normalized: str | None = None
    display_name: str | None = None
    display_name_normalized: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    name: str | None = None
    """The handle; only in the short profile inside a message."""

    title: str | None = None
    phone: str | None = None
    skype: str | None = None
    pronouns: str | None = None
    email: str | None = None
    team: TeamId | None = None
    is_restricted: bool | None = None
    is_ultra_restricted: bool | None = None
    avatar_hash: str | None = None
    image_24: str | None = None
    image_32: str | None = None
    image_48: str | None = None
    image_72: str | None = None
    image_192: str | None = None
    image_512: str | None = None
    image_1024: str | None = None
    image_original: str | None = None
    is_custom_image: bool | None = None
    status_text: str | None = None
    status_text_canonical: str | None = None
    status_emoji: str | None = None
    status_emoji_display_info: OpenData = UNSET
    status_expiration: int | None = None
    """Seconds since 1970; 0 for a status that stays."""

    huddle_state: str | None = None
    huddle_state_expiration_ts: int | None = None
    huddle_state_call_id: str | None = None
    start_date: str | None = None
    fields: OpenData = UNSET
    """Custom fields by id; null and an empty list were seen for none."""

    bot_id: BotId | None = None
    api_app_id: AppId | None = None
    always_active: bool | None = None
    guest_invited_by: UserId | None = None
    guest_channels: str | None = None
    guest_expiration_ts: int | None = None


class EnterpriseUser(WireObject, frozen=True, kw_only=True):
    """A user's place in an organisation."""

    id: UserId
    enterprise_id: EnterpriseId | None = None
    enterprise_name: str | None = None
    is_admin: bool | None = None
    is_owner: bool | None = None
    is_primary_owner: bool | None = None
    teams: list[TeamId] | None = None


class User(WireObject, frozen=True, kw_only=True):
    """A person or a bot user. A deleted user lacks most members."""

    id: UserId
    team_id: TeamId | None = None
    name: str | None = None
    """The handle."""

    deleted: bool | None = None
    color: str | None = None
    """Six hexadecimal digits."""

    real_name: str | None = None
    tz: str | None = None
    tz_label: str | None = None
    tz_offset: int | None = None
    """Seconds east of UTC."""

    profile: Profile | None = None
    is_admin: bool | None = None
    is_owner: bool | None = None
    is_primary_owner: bool | None = None
    is_restricted: bool | None = None
    is_ultra_restricted: bool | None = None
    is_bot: bool | None = None
    is_app_user: bool | None = None
    is_email_confirmed: bool | None = None
    has_2fa: bool | None = None
    two_factor_type: str | None = None
    is_invited_user: bool | None = None
    is_stranger: bool | None = None
    is_workflow_bot: bool | None = None
    is_connector_bot: bool | None = None
    updated: int | None = None
    """Seconds since 1970."""

    locale: str | None = None
    presence: str | None = None
    """``active`` or ``away``; only in old answers of rtm.start."""

    who_can_share_contact_card: str | None = None
    enterprise_user: EnterpriseUser | None = None
    enterprise_id: EnterpriseId | None = None
    enterprise_name: str | None = None
    teams: list[TeamId] | None = None


class DndStatus(WireObject, frozen=True, kw_only=True):
    """When a user does not want to be disturbed. All times are seconds since 1970."""

    dnd_enabled: bool | None = None
    next_dnd_start_ts: int | None = None
    next_dnd_end_ts: int | None = None
    snooze_enabled: bool | None = None
    """This and the members after it are sent about yourself only."""

    snooze_endtime: int | None = None
    snooze_remaining: int | None = None
    """Seconds."""

    snooze_is_indefinite: bool | None = None
