"""The settings of a gateway: a field for each, with all that is said about it; see ``server.table``.

``tautwire gateway run`` takes these beside those of the server that have a meaning here (``SHARED``). A gateway of
several bots has the settings of each in a table of its file: ``places``.
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tautwire.gateway.tokens import APP, BOT, LocalTokens, read_token
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.tokens import Token
from tautwire.server.config import Settings
from tautwire.server.table import Row, check, row, rows
from tautwire.server.values import (
    DAY,
    MINUTE,
    Choice,
    Duration,
    FilePath,
    Flag,
    Kind,
    ProxyUrl,
    Secret,
    Text,
    Url,
    Whole,
    WrongValueError,
)  # fmt: skip

_UPSTREAM: Final = "Upstream"
_BOTS: Final = "Bots"
_HIDDEN: Final = (
    "Other users of the machine can read the options of a process: give it in the environment or in a file with mode "
    "600. It is never printed."
)

SLACK: Final = "https://slack.com/api"

SHARED: Final = (
    "host", "port", "public_url", "forwarded_allow_ips", "data", "database", "durability", "log_keep", "rate_limits",
    "metrics", "traces", "max_connections", "max_connections_per_address", "body_limit", "file_limit",
    "ticket_lifetime", "ping_interval", "silence_limit", "slow_deadline", "backlog_limit", "drain",
)  # fmt: skip
"""The settings of a server that a gateway has too."""
_DEFAULTS: Final[dict[str, Any]] = {"port": 8066, "data": Path("tautwire-gateway")}
"""Those whose default is another, so that both run on one machine."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
"""Names of bots and programs: also those of directories, of schemas in a database, and labels of metrics."""
MAX_PROGRAMS: Final = 50


class Names(Kind):
    """Names separated by commas; in TOML an array will do."""

    word = "NAMES"

    def check(self, value: object) -> tuple[str, ...]:
        """Return the names, in their order."""
        names = tuple(value) if isinstance(value, list | tuple) else ()
        if (
            not 0 < len(names) <= MAX_PROGRAMS
            or len(set(names)) < len(names)
            or not all(isinstance(name, str) and NAME.fullmatch(name) and name not in (BOT, APP) for name in names)
        ):
            raise WrongValueError(
                f"must be at most {MAX_PROGRAMS} different names of small letters, digits and underscores, separated "
                f"by commas, and not {BOT!r} or {APP!r}"
            )
        return names

    def read(self, written: object) -> tuple[str, ...]:
        """Return the names."""
        return self.check([name.strip() for name in written.split(",")] if isinstance(written, str) else written)

    def show(self, value: Any) -> str:
        """Return the names with commas."""
        return ",".join(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """How one bot reaches its upstream, and what its programs get.

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
            unset="read from bot_token_env or bot_token_file",
            alias="SLACK_BOT_TOKEN",
        ),
    )
    bot_token_env: str | None = field(
        default=None,
        metadata=row(_UPSTREAM, Text(), "Environment variable with the bot token.", unset="none"),
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
            unset="read from app_token_env or app_token_file",
            alias="SLACK_APP_TOKEN",
        ),
    )
    app_token_env: str | None = field(
        default=None,
        metadata=row(_UPSTREAM, Text(), "Environment variable with the app-level token.", unset="none"),
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
            unset="read from signing_secret_env or signing_secret_file",
            alias="SLACK_SIGNING_SECRET",
        ),
    )
    signing_secret_env: str | None = field(
        default=None,
        metadata=row(_UPSTREAM, Text(), "Environment variable with the signing secret.", unset="none"),
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
            unset="read from local_token_env or local_token_file, else made at the first start and kept in tokens.json "
            "in the data directory",
        ),
    )
    local_token_env: str | None = field(
        default=None,
        metadata=row(_BOTS, Text(), "Environment variable with the local token.", unset="none"),
    )
    local_token_file: Path | None = field(
        default=None,
        metadata=row(_BOTS, FilePath(), "File with the local token, readable by its owner only.", unset="none"),
    )
    programs: tuple[str, ...] | None = field(
        default=None,
        metadata=row(
            _BOTS,
            Names(),
            "Names of programs that have a local token of their own, in tokens.json.",
            more="The token of a name that is taken out is revoked at the next start.",
            unset="none",
        ),
    )
    socket_mode: bool = field(
        default=False,
        metadata=row(
            _BOTS,
            Flag(),
            "Whether programs may connect over Socket Mode too, with the token app of tokens.json; each connection "
            "gets every event.",
            more="Events are then stored twice: as RTM has them, and as they came.",
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
        found = read_token("bot_token", self.bot_token, self.bot_token_env, self.bot_token_file)
        return _require("bot_token", "SLACK_BOT_TOKEN", found, ("xoxb-", "xoxe.xoxb-"))

    def read_app_token(self) -> Token:
        """Return the app-level token.

        Raises:
            ConfigError: there is none.
        """
        found = read_token("app_token", self.app_token, self.app_token_env, self.app_token_file)
        return _require("app_token", "SLACK_APP_TOKEN", found, ("xapp-",))

    def local_tokens(self, data: Path) -> LocalTokens:
        """Return the tokens of the bot's programs, those in its data directory among them.

        Raises:
            ConfigError: the variable or the file that the settings name has none.
        """
        given = read_token("local_token", self.local_token, self.local_token_env, self.local_token_file)
        return LocalTokens(data, given, (*([APP] if self.socket_mode else []), *(self.programs or ())))

    def read_signing_secret(self) -> Token:
        """Return the signing secret.

        Raises:
            ConfigError: there is none.
        """
        found = read_token("signing_secret", self.signing_secret, self.signing_secret_env, self.signing_secret_file)
        return _require("signing_secret", "SLACK_SIGNING_SECRET", found, ("",))


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSettings:
    """The web page of a gateway, which is one for all its bots.

    Raises:
        ConfigError: the value cannot be used.
    """

    page: bool = field(
        default=False,
        metadata=row(
            "Page",
            Flag(),
            "Whether the web page is served at /_page/, to browsers that open its one-time link.",
            more="It shows how the gateway is, and runs the checks of `tautwire gateway doctor`. The link is printed "
            "at the start and stands in `page.txt` in the data directory.",
        ),
    )

    def __post_init__(self) -> None:
        check(self)


def gateway_rows() -> list[Row]:
    """Return the rows of the table of a gateway."""
    shared = [each for each in rows(Settings) if each.name in SHARED]
    own = [replace(each, default=_DEFAULTS.get(each.name, each.default)) for each in shared]
    return [*rows(GatewaySettings), *own]


def server_settings(values: dict[str, Any]) -> Settings:
    """Return the settings of the server inside a gateway from the values of the shared rows."""
    return Settings(**{name: values[name] for name in SHARED if name in values}, control=False)


_KINDS: Final = {
    "xapp-": "an app-level token",
    "xoxb-": "the token of a bot",
    "xoxp-": "the token of a person",
}
"""What a token is that was given in the place of another, by its beginning."""


def _require(name: str, variable: str, text: str | None, starts: tuple[str, ...]) -> Token:
    if text is None:
        raise ConfigError(
            f"the gateway needs the {name} of the upstream's app: set {variable} in the environment, or {name}_file; "
            f"of several bots, each has {name}_env or {name}_file in its table. tautwire gateway manifest prints the "
            "app to create"
        )
    if not text.startswith(starts):
        found = next((f", and this one is {what}" for start, what in _KINDS.items() if text.startswith(start)), "")
        raise ConfigError(
            f"{name} must begin with {' or '.join(starts)}{found}: take that token from the app's settings"
        )
    return Token(text)
