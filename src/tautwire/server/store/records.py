"""Users and channels as the database has them: rows with names. ``services.wire_objects`` shapes them for the wire."""

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from tautwire.protocol.ids import NEVER, ChannelId, UserId

SLACKBOT_ID: Final = UserId("USLACKBOT")
"""The user every workspace has. Source: wire/ids-and-timestamps.md#ids (documented)."""
SLACKBOT_NAME: Final = "slackbot"


class ChannelKind(StrEnum):
    """The kinds of conversations. Source: wire/ids-and-timestamps.md#kinds-of-conversations (documented)."""

    PUBLIC = "public"
    PRIVATE = "private"
    IM = "im"
    MPIM = "mpim"


class UserRecord(msgspec.Struct, frozen=True, gc=False):
    """A user: a person or a bot. Times are in seconds."""

    id: UserId
    name: str
    real_name: str
    email: str | None
    deleted: bool
    away: bool
    created: int
    updated: int
    bot_id: str | None
    app_id: str | None
    profile: str = ""
    """What the user has set beside name and address, as JSON; empty if that is nothing. See
    ``services.people.profiles``."""


class Mark(NamedTuple):
    """What a conversation has of a member: how far it was read, and whether a direct message is an open one."""

    last_read: str = NEVER
    is_open: bool = True


class ChannelRecord(msgspec.Struct, frozen=True, gc=False):
    """A conversation of any kind. ``updated`` is in microseconds, the other times in seconds."""

    id: ChannelId
    kind: ChannelKind
    name: str | None
    creator: UserId
    created: int
    updated: int
    archived: bool = False
    general: bool = False
    topic: str = ""
    topic_by: str = ""
    topic_set: int = 0
    purpose: str = ""
    purpose_by: str = ""
    purpose_set: int = 0
    people: str | None = None
    """The members of an im or mpim in the order of their ids, separated by commas."""

    @property
    def is_direct(self) -> bool:
        """Whether it has fixed members and no name of its own (im, mpim)."""
        return self.kind in (ChannelKind.IM, ChannelKind.MPIM)

    @property
    def members_of_direct(self) -> list[str]:
        """The fixed members of an im or mpim."""
        return self.people.split(",") if self.people else []
