"""The settings of a server, with their defaults."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve a workspace. Times are in seconds, sizes in bytes."""

    data: Path
    """The data directory; it is made if it is not there."""
    host: str = LOOPBACK
    port: int = 8065
    """0 takes a free one."""
    new: bool = False
    """Whether a data directory that has tokens but no workspace gets a new workspace; the old tokens are kept aside."""
    seed: Path | None = None
    """A YAML file of people, bots and channels; see docs/reference/seed.md."""
    rate_limits: bool = True
    """Whether clients that call or send too fast are told so."""
    durability: Literal["full", "normal"] = "full"
    """full: an ack means on disk. normal: survives a crash of the process, not of the machine."""
    ticket_lifetime: float = 30.0
    """How long the URL of rtm.connect can be dialled. Source: rtm.md 1.4 (documented)."""
    ping_interval: float = 30.0
    """WebSocket PING to a connection that was silent this long. Source: rtm.md 12 (recommended)."""
    silence_limit: float = 150.0
    """A connection that sent nothing, not even a PONG, for this long is closed. Source: rtm.md 12 (recommended)."""
    slow_deadline: float = 10.0
    """A connection that cannot be written to for this long is closed: it has to resume, never to miss events."""
    backlog_limit: int = 1_048_576
    """Unwritten bytes beyond which a connection is closed at once."""
    auto_away: float = 600.0
    """Inactivity after which a person counts as away. Source: rtm.md 10 (documented)."""
    presence_grace: float = 10.0
    """Delay of the away after the last connection closed, so that a reconnect does not flap (recommended)."""
    drain: float = 0.5
    """Time between goodbye and the close on shutdown, for clients to finish what they began."""
    body_limit: int = 1_048_576
    """The longest request body."""
