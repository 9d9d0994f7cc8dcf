"""Objects of the wire, made from records for a given viewer. Source: wire/objects.md.

Members that the server has no data for are present with empty values: SDKs read them without a check.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from tautwire.protocol.ids import NEVER
from tautwire.server.services.workspace import Team
from tautwire.server.store.records import SLACKBOT_ID, ChannelKind, ChannelRecord, Mark, UserRecord

Wire = dict[str, Any]

_COLORS: Final = ("9f69e7", "4bbe2e", "e7392d", "3c989f", "674b1b", "e96699", "e0a729", "684b6c", "5b89d5", "2b6836")

_ICON_SIZES: Final = (34, 44, 68, 88, 102, 132, 230, "original")


def user_object(user: UserRecord, team: Team, *, shows_email: bool) -> Wire:
    """Return the full user object; ``email`` is shown only with the scope users:read.email.

    Source: wire/web-api-methods.md#usersinfo.
    """
    real_name = user.real_name or user.name
    profile: Wire = {
        "real_name": real_name,
        "real_name_normalized": real_name,
        "display_name": user.name,
        "display_name_normalized": user.name,
        "first_name": real_name.split(" ")[0],
        "last_name": " ".join(real_name.split(" ")[1:]),
        "title": "",
        "phone": "",
        "skype": "",
        "status_text": "",
        "status_emoji": "",
        "status_expiration": 0,
        "pronouns": "",
        "avatar_hash": "",
        "image_24": "",
        "image_32": "",
        "image_48": "",
        "image_72": "",
        "image_192": "",
        "image_512": "",
        "fields": {},
        "team": team.id,
    }
    profile |= stored_profile(user)
    if user.email is not None and shows_email:
        profile["email"] = user.email
    profile["display_name_normalized"] = profile["display_name"]
    if user.bot_id is not None:
        profile |= {"bot_id": user.bot_id, "api_app_id": user.app_id, "always_active": user.id == SLACKBOT_ID}
    return {
        "id": user.id,
        "team_id": team.id,
        "name": user.name,
        "deleted": user.deleted,
        "color": _COLORS[sum(user.id.encode()) % len(_COLORS)],
        "real_name": real_name,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": profile,
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": user.bot_id is not None and user.id != SLACKBOT_ID,
        "is_app_user": False,
        "updated": user.updated,
    }


def stored_profile(user: UserRecord) -> Wire:
    """Return what a user has set in the profile beside real name and address."""
    return msgspec.json.decode(user.profile, type=Wire) if user.profile else {}


@lru_cache(maxsize=20_000)
def user_json(user: UserRecord, team: Team, shows_email: bool) -> bytes:
    """Return the JSON of the user object. The cache key contains the row, so a changed row is encoded again."""
    return msgspec.json.encode(user_object(user, team, shows_email=shows_email))


def bot_object(user: UserRecord) -> Wire:
    """Return the bot object behind a bot user."""
    return {
        "id": user.bot_id,
        "deleted": user.deleted,
        "name": user.real_name or user.name,
        "updated": user.updated,
        "app_id": user.app_id,
        "user_id": user.id,
        "icons": {"image_36": "", "image_48": "", "image_72": ""},
    }


def conversation_object(channel: ChannelRecord, *, viewer: str, mark: Mark | None) -> Wire:
    """Return the conversation as ``viewer`` sees it; a member has a ``mark``."""
    base: Wire = {
        "id": channel.id,
        "created": channel.created,
        "creator": channel.creator,
        "is_archived": channel.archived,
        "is_org_shared": False,
        "updated": channel.updated // 1000,
        "is_im": channel.kind is ChannelKind.IM,
    }
    if channel.kind is ChannelKind.IM:
        others = [user for user in channel.members_of_direct if user != viewer]
        return base | {
            "user": others[0] if others else viewer,
            "is_user_deleted": False,
            "is_open": mark is None or mark.is_open,
            "priority": 0,
            "last_read": mark.last_read if mark is not None else NEVER,
        }
    is_mpim = channel.kind is ChannelKind.MPIM
    seen = base | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": not is_mpim,
        "is_group": is_mpim,
        "is_mpim": is_mpim,
        "is_private": channel.kind is not ChannelKind.PUBLIC,
        "is_general": channel.general,
        "is_member": mark is not None,
        "is_shared": False,
        "is_ext_shared": False,
        "is_pending_ext_shared": False,
        "unlinked": 0,
        "topic": {"value": channel.topic, "creator": channel.topic_by, "last_set": channel.topic_set},
        "purpose": {"value": channel.purpose, "creator": channel.purpose_by, "last_set": channel.purpose_set},
        "previous_names": [],
    }
    if is_mpim:
        seen |= {"is_open": mark is None or mark.is_open, "members": channel.members_of_direct}
    if mark is not None:
        seen["last_read"] = mark.last_read
    return seen


def team_object(team: Team, api_url: str) -> Wire:
    """Return the team object of team.info and rtm.start."""
    return {
        "id": team.id,
        "name": team.name,
        "domain": team.domain,
        "url": api_url,
        "email_domain": "",
        "icon": _icon(team),
    }


def _icon(team: Team) -> Wire:
    """Return the picture of a team. Source: wire/objects.md#team; we do not scale it."""
    if not team.icon:
        return {"image_default": True}
    return {f"image_{size}": team.icon for size in _ICON_SIZES} | {"image_default": False}


def reactions_of(rows: Collection[Mapping[str, Any] | Any]) -> list[Wire]:
    """Group reaction rows (name, user_id) into the ``reactions`` member, in the order they were first used."""
    grouped: dict[str, list[str]] = {}
    for row in rows:
        grouped.setdefault(row["name"], []).append(row["user_id"])
    return [{"name": name, "users": users, "count": len(users)} for name, users in grouped.items()]
