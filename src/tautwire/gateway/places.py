"""The bots of a gateway and where each keeps what it has: one bot in the data directory itself, each of several in a
directory of its own below it, or in a schema of its own in a database of PostgreSQL."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from tautwire.gateway.config import NAME, GatewaySettings
from tautwire.gateway.tokens import BOT
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.sources import PREFIX, Configuration
from tautwire.server.store.sqlite import FILE
from tautwire.server.table import rows

TABLES: Final = "bots"
"""The word before the point in the name of a table: ``[bots.deploy]``."""
OWN: Final = frozenset(
    secret + form
    for secret in ("bot_token", "app_token", "local_token", "signing_secret")
    for form in ("", "_env", "_file")
) | {"programs"}
"""Settings that bots do not share."""
SCHEMA: Final = "tautwire_gateway"
"""The schema of a database whose URL names no schema; a server has another one."""
MAX_BOTS: Final = 200


class Place(NamedTuple):
    """A bot, and where it keeps what it has."""

    name: str
    """The name of its table; ``bot`` for the only one without a table."""
    settings: GatewaySettings
    server: Settings
    """Those of the gateway, with the directory and the database of the bot."""


def read_bots(configuration: Configuration) -> GatewaySettings | dict[str, GatewaySettings]:
    """Return the settings of the only bot or, if the file has tables, of each bot by name.

    A setting that a table lacks is that of the whole gateway, but for tokens: each bot has its own.

    Raises:
        ConfigError: the values do not go together.
    """
    tables = configuration.tables.get(TABLES)
    if not tables:
        return configuration.make(GatewaySettings)
    for name in sorted(OWN):
        source = configuration.chosen[name].source
        # SLACK_BOT_TOKEN and the like may be there for a table to name them.
        if source != "default" and not source.startswith(("SLACK_", PREFIX)):
            raise ConfigError(
                f"{name} ({source}) is for a gateway of one bot, and the file has tables of bots: write it into the "
                "table of its bot"
            )
    shared = {row.name: configuration.chosen[row.name].value for row in rows(GatewaySettings) if row.name not in OWN}
    return {
        name: GatewaySettings(**shared | {key: chosen.value for key, chosen in table.items()})
        for name, table in tables.items()
    }


def places(settings: GatewaySettings | Mapping[str, GatewaySettings], server: Settings) -> list[Place]:
    """Return the bots with their places.

    Raises:
        ConfigError: a name cannot be used, or the data directory is that of a gateway of one bot.
    """
    if isinstance(settings, GatewaySettings):
        return [Place(BOT, settings, replace(server, database=database_of(server.database, BOT)))]
    if not 0 < len(settings) <= MAX_BOTS:
        raise ConfigError(f"a gateway has 1 to {MAX_BOTS} bots, got {len(settings)}")
    for name in settings:
        if not NAME.fullmatch(name) or name == BOT:
            raise ConfigError(
                f"the name of a bot must be at most 31 small letters, digits and underscores, and not {BOT!r}, got "
                f"{name!r}"
            )
    if (server.data / FILE).exists():
        raise ConfigError(
            f"{server.data} is the data directory of a gateway of one bot: move its files into the directory of that "
            f"bot, such as {server.data / next(iter(settings))}"
        )
    return [
        Place(name, each, replace(server, data=server.data / name, database=database_of(server.database, name)))
        for name, each in settings.items()
    ]


def make_root(data: Path) -> None:
    """Make the data directory of a gateway of several bots, if it is missing.

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the data directory {data} cannot be used: {error.strerror or error}; choose another with --data"
        ) from None


def database_of(url: str | None, bot: str) -> str | None:
    """Return the URL of the database of a bot: its schema is that of the gateway, of several bots with the name."""
    if url is None:
        return None
    plain, _, query = url.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    schema = parameters.pop("schema", SCHEMA)
    return f"{plain}?{urlencode({**parameters, 'schema': f'{schema}_{bot}' if bot != BOT else schema})}"
