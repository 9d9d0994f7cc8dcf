"""The settings of a server, with their defaults. Values are checked here once; the parts rely on them."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from tautwire.protocol.errors import ConfigError

LOOPBACK: Final = "127.0.0.1"

MetricsAccess = Literal["local", "public", "off"]
"""The callers that may read ``/metrics``: those on the same machine, all, or none."""

_CHARACTERS: Final = re.compile(r"[!-~]+")
"""The characters of a URL; host names in other letters are written in punycode."""

DAY: Final = 86_400.0
MIN_LOG_KEEP: Final = 3_600.0
"""The age of log entries is known to the hour, and a client that is catching up reads entries some minutes old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve a workspace. Times are in seconds, sizes in bytes."""

    data: Path
    """The data directory; created if it is missing."""
    database: str | None = None
    """The URL of a PostgreSQL database; without one, SQLite in the data directory. It may hold a password."""
    host: str = LOOPBACK
    port: int = 8065
    """0 for a free port."""
    new: bool = False
    """Whether a data directory with tokens but no database gets a new workspace; the old tokens are renamed."""
    seed: Path | None = None
    """A YAML file of people, bots and channels; see docs/reference/seed.md."""
    rate_limits: bool = True
    """Whether calls and frames that come too fast are refused."""
    durability: Literal["full", "normal"] = "full"
    """full: an ack means on disk. normal: survives a crash of the process, not of the machine."""
    ticket_lifetime: float = 30.0
    """How long the URL of rtm.connect is valid. Source: wire/connecting.md#the-url (documented)."""
    ping_interval: float = 30.0
    """Silence after which a connection gets a WebSocket PING. Source: wire/liveness.md#servers (recommended)."""
    silence_limit: float = 150.0
    """Silence, without even a PONG, after which a connection is closed.
    Source: wire/liveness.md#servers (recommended)."""
    slow_deadline: float = 10.0
    """A connection that does not read for this long is closed: it resumes without a gap, and frees its memory."""
    backlog_limit: int = 1_048_576
    """Bytes that may queue for a connection that does not read, above which it is closed at once."""
    auto_away: float = 600.0
    """Inactivity after which a person counts as away. Source: wire/presence-and-typing.md#states (documented)."""
    presence_grace: float = 10.0
    """Delay of away after the last connection ended, so that a reconnect does not flap (recommended)."""
    drain: float = 0.5
    """Time between goodbye and the Close at a stop, for clients to finish their work."""
    body_limit: int = 1_048_576
    """The longest request body."""
    max_connections: int | None = None
    """Maximum number of connections, WebSockets and others. None: as many as the limit of open files allows."""
    max_connections_per_address: int | None = None
    """Maximum number of connections of one address. None: half of all. Connections of a trusted proxy do not count
    under its address; its WebSockets count under the address that it forwards."""
    public_url: str | None = None
    """The URL by which callers reach the server, such as ``https://chat.example.com``. RTM URLs are made from it.
    None: made from the host and scheme of each call."""
    forwarded_allow_ips: str | None = None
    """Addresses and networks of the proxies whose X-Forwarded-Proto and X-Forwarded-For count, separated
    by commas, or ``*``. None: the environment variable FORWARDED_ALLOW_IPS, else loopback."""

    metrics: MetricsAccess = "local"
    """The callers that may read ``/metrics``."""
    log_keep: float = 7 * DAY
    """Minimum age of deleted log entries. Entries that a client can resume from are kept in any case."""

    def __post_init__(self) -> None:
        """Check each setting by itself.

        Raises:
            ConfigError: a value is out of range.
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
    except ValueError:  # an incomplete IPv6 address, or an invalid port
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
