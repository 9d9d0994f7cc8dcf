"""Bots and integrations. Source: wire/objects.md#bot (documented, captured)."""

from tautwire.protocol.ids import AppId, BotId, TeamId, UserId
from tautwire.protocol.objects._base import WireObject
from tautwire.protocol.opendata import UNSET, OpenData


class Bot(WireObject, frozen=True, kw_only=True):
    """The record of an integration, also called ``bot_profile`` inside a message."""

    id: BotId
    name: str | None = None
    deleted: bool | None = None
    updated: int | None = None
    """Seconds since 1970."""

    app_id: AppId | None = None
    user_id: UserId | None = None
    """The user this bot posts as, if it has one."""

    team_id: TeamId | None = None
    icons: OpenData = UNSET
    """Addresses under ``image_36``, ``image_48``, ``image_72``."""
