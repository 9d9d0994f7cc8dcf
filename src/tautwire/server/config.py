"""The settings of a server: a field for each, with all that is said about it.

The options of ``tautwire serve``, its environment variables, the keys of its file, their checks and
docs/reference/server-settings.md are made from these fields; see ``server.table``.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

from tautwire.protocol.errors import ConfigError
from tautwire.server.table import check, row
from tautwire.server.values import (
    DAY,
    HOUR,
    KIB,
    MIB,
    MINUTE,
    Choice,
    DatabaseUrl,
    Duration,
    FilePath,
    Flag,
    Networks,
    Reach,
    Secret,
    Size,
    Text,
    Url,
    Whole,
)

LOOPBACK: Final = "127.0.0.1"

MetricsAccess = Literal["local", "public", "off"]
"""The callers that may read ``/metrics``: those on the same machine, all, or none."""

RtmTokens = Literal["all", "classic"]
"""The tokens that may use RTM: all, or only those of classic apps."""

PROXIES_VARIABLE: Final = "FORWARDED_ALLOW_IPS"
"""The variable with the trusted proxies that uvicorn reads too."""

_ADDRESS: Final = "Address"
_DATA: Final = "Data"
_ACCESS: Final = "Access and limits"
_FILES: Final = "Files"
_RTM: Final = "RTM connections"
_APPS: Final = "Apps"
_PRESENCE: Final = "Presence"

_A_MOMENT: Final = 0.01
"""The shortest time of settings that mean nothing at zero."""
_MAX_BODY: Final = 64 * MIB
"""As much as all callers without a token may send at a time (``web_api.bodies``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve a workspace. Times are in seconds, sizes in bytes.

    Raises:
        ConfigError: a value cannot be used.
    """

    host: str = field(default=LOOPBACK, metadata=row(_ADDRESS, Text(), "Address to listen on."))
    port: int = field(
        default=8065,
        metadata=row(_ADDRESS, Whole(least=0, most=65_535), "Port to listen on; 0 takes a free one."),
    )
    public_url: str | None = field(
        default=None,
        metadata=row(
            _ADDRESS,
            Url(),
            "URL by which callers reach the server, for RTM URLs.",
            unset="made from host and scheme of each call",
        ),
    )
    forwarded_allow_ips: str | None = field(
        default=None,
        metadata=row(
            _ADDRESS,
            Networks(),
            "Proxies whose X-Forwarded-Proto and X-Forwarded-For count: addresses, networks, or *.",
            unset="loopback",
            alias=PROXIES_VARIABLE,
        ),
    )

    data: Path = field(
        metadata=row(_DATA, FilePath(), "Data directory; created if missing.", default=Path("tautwire-data"))
    )
    database: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _DATA,
            DatabaseUrl(),
            "PostgreSQL database, as postgresql://user:password@host:port/name.",
            more="Other users of the machine can read the options of a process: give a password in the environment, in "
            "a file with mode 600, or in the files of PostgreSQL (`~/.pgpass`). It is never printed.",
            unset="SQLite in the data directory",
        ),
    )
    durability: Literal["full", "normal"] = field(
        default="full",
        metadata=row(
            _DATA,
            Choice(("full", "normal")),
            "What an ack means: full, on disk; normal, survives a crash of the process but not of the machine.",
        ),
    )
    log_keep: float = field(
        default=7 * DAY,
        metadata=row(
            _DATA,
            # The age of log entries is known to the hour, and clients that catch up read entries some minutes old.
            Duration(least=HOUR, unit="d"),
            "Time that events are kept for clients that come back; a number alone is days.",
            more="Entries that a client can resume from are kept in any case, messages for good.",
        ),
    )
    seed: Path | None = field(
        default=None,
        metadata=row(
            _DATA,
            FilePath(),
            "YAML file of people, bots and channels to add.",
            unset="an empty data directory gets a sample workspace",
        ),
    )
    new: bool = field(
        default=False,
        metadata=row(
            _DATA,
            Flag(),
            "Begin a new workspace although the database of an old one is missing.",
            more="The tokens of the old one are renamed.",
            is_one_time=True,
        ),
    )

    rate_limits: bool = field(
        default=True,
        metadata=row(_ACCESS, Flag(), "Whether calls and frames that come too fast are refused."),
    )
    enforce_scopes: bool = field(
        default=True,
        metadata=row(
            _ACCESS,
            Flag(),
            "Whether a call needs a token with the scopes of its method, and an app the scopes of its events. A token "
            "that was made without a list of scopes has all.",
        ),
    )
    rtm_tokens: RtmTokens = field(
        default="all",
        metadata=row(
            _ACCESS,
            Choice(get_args(RtmTokens)),
            "The tokens that may use RTM: all, or as at Slack only those of classic apps, without a list of scopes.",
        ),
    )
    metrics: MetricsAccess = field(
        default="local",
        metadata=row(
            _ACCESS,
            Choice(get_args(MetricsAccess)),
            "The callers that may read /metrics: on the same machine, all, none.",
        ),
    )
    traces: bool = field(
        default=False,
        metadata=row(
            _ACCESS,
            Flag(),
            "Whether traces of messages go to the OpenTelemetry collector that OTEL_* variables name.",
            more="It needs the extra `traces`. See [Follow a message](../how-to/server/traces.md).",
        ),
    )
    control: bool | None = field(
        default=None,
        metadata=row(
            _ACCESS,
            Flag(),
            "Whether the control API is served at /_control/v1/ to those who have its secret.",
            more="The secret is in `control.json` in the data directory, and in the line of `--json`. Who has it can "
            "do all that an operator and any user can. See [Control API](control-api.md).",
            unset="on for the sample workspace, else off",
        ),
    )
    page: bool | None = field(
        default=None,
        metadata=row(
            _ACCESS,
            Flag(),
            "Whether the web page is served at /_page/, to browsers that open its one-time link.",
            more="The link is printed at the start and stands in `page.txt` in the data directory. Who has it can do "
            "all that the control API can, which the page needs: it is on with the page.",
            unset="on for the sample workspace, else off",
        ),
    )
    control_secret: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _ACCESS,
            Secret(),
            "Secret of the control API.",
            more="Other users of the machine can read the options of a process: give it in the environment, or in a "
            "file with mode 600. It is never printed among the settings. It is for one workspace only.",
            unset="a random one at each start",
        ),
    )
    host_secret: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _ACCESS,
            Secret(),
            "Secret of the operations on whole workspaces, which create and delete them.",
            more="It is in `host.json` in the data directory while the control API is served. Other users of the "
            "machine can read the options of a process: give it in the environment, or in a file with mode 600.",
            unset="a random one at each start",
        ),
    )
    max_workspaces: int = field(
        default=500,
        metadata=row(
            _ACCESS,
            Whole(least=0, most=10_000),
            "How many workspaces callers of the control API may have at a time.",
            more="See [Sandboxes](../how-to/testing/sandboxes.md) for the memory, threads and files of each.",
        ),
    )
    max_connections: int | None = field(
        default=None,
        metadata=row(
            _ACCESS,
            Whole(least=1),
            "Maximum number of connections, WebSockets and others.",
            unset="what the limit of open files allows",
        ),
    )
    max_connections_per_address: int | None = field(
        default=None,
        metadata=row(
            _ACCESS,
            Whole(least=1),
            "Maximum number of connections of one address.",
            more="Connections of a trusted proxy do not count under its address; its WebSockets count under the "
            "address that it forwards.",
            unset="half of all",
        ),
    )
    body_limit: int = field(
        default=MIB, metadata=row(_ACCESS, Size(least=KIB, most=_MAX_BODY), "The longest body of a request.")
    )

    file_limit: int = field(
        default=100 * MIB,
        metadata=row(_FILES, Size(least=KIB, most=16 * 1024 * MIB), "The largest file that can be uploaded."),
    )
    files_limit: int = field(
        default=1024 * MIB,
        metadata=row(
            _FILES,
            Size(least=KIB, most=1024 * 1024 * 1024 * MIB),
            "Bytes of all files of the workspace together; beyond, uploads are refused.",
            more="Files are in the database, so that its backups have them.",
        ),
    )

    # The default is documented: wire/connecting.md#the-url
    ticket_lifetime: float = field(
        default=30.0,
        metadata=row(_RTM, Duration(least=_A_MOMENT, most=HOUR), "Time for which the URL of rtm.connect is valid."),
    )
    # The two defaults are recommended: wire/liveness.md#servers
    ping_interval: float = field(
        default=30.0,
        metadata=row(
            _RTM,
            Duration(least=_A_MOMENT),
            "Silence after which a connection gets a WebSocket PING; checked each second.",
        ),
    )
    silence_limit: float = field(
        default=150.0,
        metadata=row(
            _RTM,
            Duration(least=_A_MOMENT),
            "Silence, without even a PONG, after which a connection is closed; at least ping_interval.",
        ),
    )
    slow_deadline: float = field(
        default=10.0,
        metadata=row(
            _RTM,
            Duration(least=_A_MOMENT),
            "Time after which a connection that does not read is closed.",
            more="Its client can resume without a gap, and its memory is free.",
        ),
    )
    backlog_limit: int = field(
        default=MIB,
        metadata=row(
            _RTM,
            Size(least=16 * KIB, most=1024 * MIB),
            "Bytes that may queue for a connection that does not read; beyond, it is closed at once.",
        ),
    )
    drain: float = field(
        default=0.5,
        metadata=row(
            _RTM,
            # A stop takes less than the ten seconds that supervisors wait before they kill.
            Duration(least=0.0, most=5.0),
            "Time between goodbye and the Close at a stop, for clients to finish their work.",
        ),
    )

    app_keep: float = field(
        default=HOUR,
        metadata=row(
            _APPS,
            Reach(least=0.0),
            "Age of the oldest events that an app gets when it comes back: a time, all, or none.",
            more="All are those that log_keep has left. With none, as at Slack, an app gets what happens while it is "
            "connected.",
        ),
    )
    app_event_limit: int | None = field(
        default=None,
        metadata=row(
            _APPS,
            Whole(least=1),
            "Events that an app gets in an hour; what is more is dropped, and the app gets app_rate_limited.",
            more="Slack allows 30000. The notice goes to request URLs, once a minute.",
            unset="no limit",
        ),
    )
    app_delayed_events: bool = field(
        default=False,
        metadata=row(
            _APPS,
            Flag(),
            "Whether an event that an app refused is tried each hour of a day after the other tries over HTTP.",
        ),
    )
    request_addresses: str | None = field(
        default=None,
        metadata=row(
            _APPS,
            Networks(may_mix=True),
            "Addresses to which events are sent over HTTP: addresses, networks, or * for the public internet.",
            more="What a name resolves to counts, and the server connects to nothing else. With `*`, private networks "
            "and this machine are refused unless they are named too: `*,10.1.0.0/16`.",
            unset="loopback",
        ),
    )

    # The default is documented: wire/presence-and-typing.md#states
    auto_away: float = field(
        default=10 * MINUTE,
        metadata=row(_PRESENCE, Duration(least=_A_MOMENT), "Inactivity after which a person counts as away."),
    )
    presence_grace: float = field(
        default=10.0,
        metadata=row(
            _PRESENCE,
            Duration(least=0.0),
            "Delay of away after the last connection ended, so that a reconnect is not seen.",
        ),
    )

    def __post_init__(self) -> None:
        check(self)
        if self.page and self.control is False:
            raise ConfigError("the page needs the control API: set control on, or page off")
        if self.silence_limit < self.ping_interval:
            raise ConfigError(
                f"silence_limit must be at least ping_interval ({self.ping_interval:g} seconds), or connections are "
                f"closed before they are pinged, got {self.silence_limit:g} seconds"
            )
