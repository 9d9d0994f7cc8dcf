"""The settings of a gateway: a field for each, with all that is said about it; see ``server.table``.

``tautwire gateway run`` takes these beside those of the server that have a meaning here (``SHARED``).
"""

import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tautwire.protocol.errors import ConfigError
from tautwire.protocol.tokens import Token
from tautwire.server.config import Settings
from tautwire.server.table import Row, check, row, rows
from tautwire.server.values import DAY, MINUTE, Choice, Duration, FilePath, Flag, ProxyUrl, Secret, Url, Whole

_UPSTREAM: Final = "Upstream"
_BOTS: Final = "Bots"
_HIDDEN: Final = (
    "Other users of the machine can read the options of a process: give it in the environment or in a file with mode "
    "600. It is never printed."
)

SLACK: Final = "https://slack.com/api"

SHARED: Final = (
    "host", "port", "public_url", "forwarded_allow_ips", "data", "durability", "log_keep", "rate_limits", "metrics",
    "max_connections", "max_connections_per_address", "body_limit", "ticket_lifetime", "ping_interval",
    "silence_limit", "slow_deadline", "backlog_limit", "drain",
)  # fmt: skip
"""The settings of a server that a gateway has too."""
_DEFAULTS: Final[dict[str, Any]] = {"port": 8066, "data": Path("tautwire-gateway")}
"""Those whose default is another, so that both run on one machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How a gateway reaches its upstream, and what bots get.

    Raises:
        ConfigError: a value cannot be used.
    """

    upstream_url: str = field(
        default=SLACK,
        metadata=row(
            _UPSTREAM,
            Url(),
            "Base URL of the upstream's Web API. Tokens are sent there and nowhere else.",
            alias="SLACK_API_URL",
        ),
    )
    bot_token: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _UPSTREAM,
            Secret(),
            "Bot token of the app, xoxb-….",
            more=_HIDDEN,
            unset="read from bot_token_file",
            alias="SLACK_BOT_TOKEN",
        ),
    )
    bot_token_file: Path | None = field(
        default=None,
        metadata=row(_UPSTREAM, FilePath(), "File with the bot token, readable by its owner only.", unset="none"),
    )
    app_token: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _UPSTREAM,
            Secret(),
            "App-level token of the app with the scope connections:write, xapp-….",
            more=_HIDDEN,
            unset="read from app_token_file",
            alias="SLACK_APP_TOKEN",
        ),
    )
    app_token_file: Path | None = field(
        default=None,
        metadata=row(_UPSTREAM, FilePath(), "File with the app-level token, readable by its owner only.", unset="none"),
    )
    events: str = field(
        default="socket_mode",
        metadata=row(
            _UPSTREAM,
            Choice(("socket_mode", "http")),
            "How events come: over a connection of the gateway's, or over HTTP to its own port.",
            more="With http the upstream has to reach the path /slack/events of the gateway, and no app-level token is "
            "needed but the signing secret.",
        ),
    )
    signing_secret: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _UPSTREAM,
            Secret(),
            "Signing secret of the app, for events = http.",
            more=_HIDDEN,
            unset="read from signing_secret_file",
            alias="SLACK_SIGNING_SECRET",
        ),
    )
    signing_secret_file: Path | None = field(
        default=None,
        metadata=row(_UPSTREAM, FilePath(), "File with the signing secret, readable by its owner only.", unset="none"),
    )
    upstream_proxy: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _UPSTREAM,
            ProxyUrl(),
            "HTTP proxy to the upstream, for the Web API and the WebSocket, such as http://user:password@host:3128.",
            more=_HIDDEN,
            unset="as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say",
        ),
    )
    upstream_ca: Path | None = field(
        default=None,
        metadata=row(
            _UPSTREAM,
            FilePath(),
            "File with the certificates (PEM) that are trusted for the upstream, in place of those of the system.",
            unset="those of the system",
        ),
    )
    pace: bool = field(
        default=True,
        metadata=row(
            _UPSTREAM,
            Flag(),
            "Whether messages to one channel are slowed down to one a second, with short bursts.",
            more="Without it, the upstream alone slows them down, with Retry-After.",
        ),
    )
    presence_budget: int = field(
        default=30,
        metadata=row(
            _UPSTREAM,
            Whole(least=0, most=1_000),
            "Calls of users.getPresence a minute, for bots that watch presence; 0 for none.",
        ),
    )

    catch_up: float = field(
        default=10 * MINUTE,
        metadata=row(
            _UPSTREAM,
            Duration(least=0, most=DAY),
            "How far back messages are looked up in the history after a time without connection; 0 for not at all.",
            more="Bots get such messages late: choose how old a message may be to be answered.",
        ),
    )
    catch_up_calls: int = field(
        default=20,
        metadata=row(
            _UPSTREAM,
            Whole(least=1, most=1_000),
            "Calls a minute to the history while messages are looked up.",
            more="Slack allows most apps fifty a minute, and apps that are sold outside its marketplace one.",
        ),
    )

    local_token: str | None = field(
        default=None,
        repr=False,
        metadata=row(
            _BOTS,
            Secret(),
            "Token that bots present to the gateway, such as the old one they have.",
            more=_HIDDEN,
            unset="one is made at the first start, and kept in tokens.json in the data directory",
        ),
    )
    legacy_bot_messages: bool = field(
        default=True,
        metadata=row(
            _BOTS,
            Flag(),
            "Whether messages of other apps get the subtype bot_message.",
            more="Old bots tell other bots from people by it. Without it they may answer each other without end.",
        ),
    )
    all_events: bool = field(
        default=False,
        metadata=row(_BOTS, Flag(), "Whether events that RTM does not have, such as app_mention, are sent too."),
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def base_url(self) -> str:
        """The base URL of the upstream with a slash at the end."""
        return self.upstream_url + "/"

    def read_bot_token(self) -> Token:
        """Return the bot token.

        Raises:
            ConfigError: there is none.
        """
        return _read("bot_token", "SLACK_BOT_TOKEN", self.bot_token, self.bot_token_file, ("xoxb-", "xoxe.xoxb-"))

    def read_app_token(self) -> Token:
        """Return the app-level token.

        Raises:
            ConfigError: there is none.
        """
        return _read("app_token", "SLACK_APP_TOKEN", self.app_token, self.app_token_file, ("xapp-",))

    def read_signing_secret(self) -> Token:
        """Return the signing secret.

        Raises:
            ConfigError: there is none.
        """
        return _read("signing_secret", "SLACK_SIGNING_SECRET", self.signing_secret, self.signing_secret_file, ("",))


def gateway_rows() -> list[Row]:
    """Return the rows of the table of a gateway."""
    shared = [each for each in rows(Settings) if each.name in SHARED]
    own = [replace(each, default=_DEFAULTS.get(each.name, each.default)) for each in shared]
    return [*rows(GatewaySettings), *own]


def server_settings(values: dict[str, Any]) -> Settings:
    """Return the settings of the server inside a gateway from the values of the shared rows."""
    return Settings(**{name: values[name] for name in SHARED if name in values}, control=False)


def _read(name: str, variable: str, text: str | None, file: Path | None, starts: tuple[str, ...]) -> Token:
    if text is None and file is None:
        raise ConfigError(
            f"the gateway needs the {name} of the upstream's app: set {variable} in the environment, or {name}_file; "
            "tautwire gateway manifest prints the app to create"
        )
    if text is None and file is not None:
        text = _read_file(name, file)
    if text is None or not text.startswith(starts):
        raise ConfigError(f"{name} must begin with {' or '.join(starts)}: take that token from the app's settings")
    return Token(text)


def _read_file(name: str, file: Path) -> str:
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077 and os.name == "posix":
            raise ConfigError(f"{file} can be read by other users: chmod 600 {file}")
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{name}_file cannot be read: {error}") from None
    try:
        return Secret().check(text)
    except ValueError:
        raise ConfigError(f"{file} must have one token and nothing else") from None
