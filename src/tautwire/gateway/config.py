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
from tautwire.server.values import FilePath, Flag, Secret, Url, Whole

_UPSTREAM: Final = "Upstream"
_BOTS: Final = "Bots"
_HIDDEN: Final = (
    "Other users of the machine can read the options of a process: give it in the environment or in a file with mode "
    "600. It is never printed."
)

SLACK: Final = "https://slack.com/api"

SHARED: Final = (
    "host", "port", "public_url", "forwarded_allow_ips", "data", "durability", "log_keep", "rate_limits", "metrics",
    "max_connections", "max_connections_per_address", "body_limit", "file_limit", "ticket_lifetime", "ping_interval",
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
    file_links: bool = field(
        default=True,
        metadata=row(
            _BOTS,
            Flag(),
            "Whether URLs of private files in answers and events are the gateway's, which bots fetch with their token.",
            more="Without it they are the upstream's, for which a bot needs the token of the app.",
        ),
    )
    answer_cache: bool = field(
        default=True,
        metadata=row(
            _BOTS,
            Flag(),
            "Whether lists of users and channels, and what else bots ask for at their start, are kept for a minute.",
            more="Events drop what they change.",
        ),
    )
    typing_status: bool = field(
        default=False,
        metadata=row(
            _BOTS,
            Flag(),
            "Whether a typing frame shows a status in the thread, or in that of the last message of the channel.",
        ),
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
