"""The settings of a server, with their defaults."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from tautwire.protocol.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"

MetricsAccess = Literal["local", "public", "off"]
"""Who gets ``/metrics``: callers on the same machine, everybody, or nobody."""

_CHARACTERS: Final = re.compile(r"[!-~]+")
"""What a URL is made of; names in other letters are written in punycode."""

DAY: Final = 86_400.0
MIN_LOG_KEEP: Final = 3_600.0
"""Entries of the log are dated to the hour, and a client that was just let in reads what is some minutes old."""


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
    """How long the URL of rtm.connect can be dialled. Source: wire/connecting.md#the-url (documented)."""
    ping_interval: float = 30.0
    """WebSocket PING to a connection that was silent this long. Source: wire/liveness.md#servers (recommended)."""
    silence_limit: float = 150.0
    """A connection that sent nothing, not even a PONG, for this long is closed.
    Source: wire/liveness.md#servers (recommended)."""
    slow_deadline: float = 10.0
    """A connection that cannot be written to for this long is closed: it has to resume, never to miss events."""
    backlog_limit: int = 1_048_576
    """Bytes that may come for a connection that does not read, beyond which it is closed at once."""
    auto_away: float = 600.0
    """Inactivity after which a person counts as away. Source: wire/presence-and-typing.md#states (documented)."""
    presence_grace: float = 10.0
    """Delay of the away after the last connection closed, so that a reconnect does not flap (recommended)."""
    drain: float = 0.5
    """Time between goodbye and the close on shutdown, for clients to finish what they began."""
    body_limit: int = 1_048_576
    """The longest request body."""
    max_connections: int | None = None
    """Connections in all, WebSockets and others. None: as many as the process may have open files for."""
    max_connections_per_address: int | None = None
    """Connections of one address. None: half of all. A trusted proxy's own connections do not count; its WebSockets
    count under the address that it forwards."""
    public_url: str | None = None
    """The URL by which callers reach the server, such as ``https://chat.example.com``. RTM URLs are made from it.
    None: from the host and scheme of each call."""
    forwarded_allow_ips: str | None = None
    """Addresses and networks of the proxies whose X-Forwarded-Proto and X-Forwarded-For count, with commas between
    them, or ``*``. None: the environment variable FORWARDED_ALLOW_IPS, else loopback."""

    metrics: MetricsAccess = "local"
    """Who gets ``/metrics``."""
    log_keep: float = 7 * DAY
    """How long entries of the log are kept for clients that resume; what a client can still ask for always is."""

    def __post_init__(self) -> None:
        """Check what can be wrong about a setting by itself.

        Raises:
            ConfigError: a value cannot be used.
        """
        for name in ("max_connections", "max_connections_per_address"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, got {value}")
        if not MIN_LOG_KEEP <= self.log_keep < math.inf:
            raise ConfigError(
                f"log_keep must be at least {MIN_LOG_KEEP:.0f} seconds (--log-keep 0.05 is 72 minutes), "
                f"got {self.log_keep}"
            )
        if self.metrics not in get_args(MetricsAccess):
            raise ConfigError(f"metrics must be one of {', '.join(get_args(MetricsAccess))}, got {self.metrics!r}")
        if self.public_url is not None:
            object.__setattr__(self, "public_url", _checked_url(self.public_url))


def _checked_url(url: str) -> str:
    """Return a public URL without a slash at the end."""
    try:
        parts = urlsplit(url)
        is_good = parts.port != 0 and _CHARACTERS.fullmatch(url) is not None
    except ValueError:  # half an IPv6 address, a port that is none
        is_good = False
    if (
        not is_good
        or parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.query
        or parts.fragment
        or parts.username
    ):
        raise ConfigError(
            f"public_url must be an http or https URL without query, such as https://chat.example.com, got {url!r}"
        )
    return url.rstrip("/")
