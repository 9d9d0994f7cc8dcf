"""What users are handed besides events: the values of a client's state and of what happened to it.

Plain values, made by the rooms above and read by handlers, metrics and properties.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

import msgspec

from tautwire.client.errors import BackfillIncomplete
from tautwire.protocol.ids import ChannelId, TeamId, UserId
from tautwire.session.client import Cause


class ClientState(Enum):
    """Where a client is in its life."""

    IDLE = "idle"
    """Not connected and not trying: before connect() and after disconnect()."""
    CONNECTING = "connecting"
    READY = "ready"
    """A connection delivers events and takes frames."""
    WAITING = "waiting"
    """Not connected; the next attempt is to come."""
    FAILED = "failed"
    """rtm.connect was refused for good. Until the client is closed, connect() tries once more."""
    CLOSED = "closed"
    """The client was closed, and had not failed. This is final."""


class SelfUser(msgspec.Struct, frozen=True):
    """Who the token is: ``self`` of rtm.connect."""

    id: UserId
    name: str = ""


class SelfTeam(msgspec.Struct, frozen=True):
    """The workspace of the token: ``team`` of rtm.connect."""

    id: TeamId
    name: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is connected, and where."""

    user: SelfUser
    team: SelfTeam


class Resume(Enum):
    """What the server said about events since our position. Only our own server says anything."""

    RESUMED = "resumed"
    """Everything since the position comes, after the hello."""
    RESYNC = "resync"
    """The position is too old: something is missing."""
    NEW = "new"
    """There was no position to go on from; positions follow."""


class Closed(NamedTuple):
    """A connection ended; given to close handlers."""

    code: int | None
    """The server's WebSocket close code; None if it sent none, or one that the WebSocket protocol does not allow."""
    reason: str
    will_reconnect: bool
    """Whether another connection is there or being made."""
    cause: Cause
    """Why it ended, as one of a few."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The client was away and is back; given to gap handlers."""

    began: datetime
    """When the old connection was last heard, in UTC, by the clock at the time of the report."""
    ended: datetime
    """When the new one got its hello, in UTC."""
    reason: str
    """Why the old connection ended."""
    resume: Resume | None
    """What the server said about the events in between; None from a server that says nothing."""
    filling: tuple[ChannelId, ...] = ()
    """The channels whose messages are read from their history now; a ``Backfilled`` follows when that is over."""

    @property
    def is_filled(self) -> bool:
        """Whether all events of the gap are delivered right after this."""
        return self.resume is Resume.RESUMED


@dataclass(frozen=True, slots=True)
class Backfilled:
    """A filling is over, and its events are with the handlers; given to back-fill handlers."""

    gaps: tuple[Gap, ...]
    """The gaps it was for: one, or several if the connection broke again before it was over."""
    ended: datetime
    """When it was over, in UTC."""
    counts: Mapping[ChannelId, int]
    """How many messages were found and delivered, by channel."""
    incomplete: tuple[BackfillIncomplete, ...] = ()
    """What is still missing; error handlers got the same."""

    @property
    def is_complete(self) -> bool:
        """Whether every chosen channel was filled to the end."""
        return not self.incomplete


class Queue(NamedTuple):
    """What one handler has before it."""

    handler: str
    """Its qualified name."""
    waiting: int
    """Items that wait for it."""
    dropped: int
    """Items it never got because its queue was full."""
    size: int
    """Bytes of the frames that the waiting items came in."""
