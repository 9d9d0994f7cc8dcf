"""SIGHUP of ``tautwire gateway run``: the settings are read anew, and other tokens have an effect without a restart."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Final, NoReturn

from tautwire.gateway.gateway import Gateway
from tautwire.gateway.places import TABLES, read_bots
from tautwire.protocol.errors import TautwireError
from tautwire.server.sources import Configuration

log = logging.getLogger("tautwire.gateway")

TOKENS: Final = frozenset(
    secret + form for secret in ("bot_token", "app_token", "signing_secret") for form in ("", "_env", "_file")
)
"""The settings of a bot that have an effect when they are read anew."""


async def keep_reloading(
    asked: asyncio.Event, read: Callable[[], Configuration], began: Configuration, gateway: Gateway
) -> NoReturn:
    """Read the settings anew whenever ``asked`` is set; what cannot be used is logged, and has no effect.

    Args:
        read: returns the settings; it raises ``ConfigError`` if they cannot be used.
        began: those of the start.
    """
    while True:
        await asked.wait()
        asked.clear()
        try:
            configuration = read()
            await gateway.renew(read_bots(configuration))
        except TautwireError as error:
            log.error("the settings were not read anew, and those before stay in use: %s", error)  # noqa: TRY400
        except Exception:
            log.exception("the settings were not read anew")
        else:
            began = followed(began, configuration, served={bot for bot in gateway.bots.names if gateway.bots.get(bot)})
            for name in sorted(changed(began, configuration)):
                log.warning("%s has another value than at the start: it needs a restart", name)
            log.info("the settings were read anew")


def followed(began: Configuration, now: Configuration, *, served: Collection[str]) -> Configuration:
    """Return the settings of the start, with those of each bot at its own start: bots come and go with the file.

    Args:
        served: the bots that run. The others will start with what the file has now.
    """
    old, new = began.tables.get(TABLES, {}), now.tables.get(TABLES, {})
    bots = {bot: old[bot] if bot in old and bot in served else new[bot] for bot in new}
    return replace(began, tables={**began.tables, TABLES: bots})


def changed(before: Configuration, after: Configuration) -> Iterator[str]:
    """Yield the settings that are others, but for those that need no restart: tables of bots, and their tokens."""
    for name in before.chosen.keys() - TOKENS:
        if after.chosen[name].value != before.chosen[name].value:
            yield name
    old, new = before.tables.get(TABLES, {}), after.tables.get(TABLES, {})
    for bot in old.keys() & new.keys():
        for name in (old[bot].keys() | new[bot].keys()) - TOKENS:
            values = [table[bot][name].value if name in table[bot] else None for table in (old, new)]
            if values[0] != values[1]:
                yield f"{name} of {bot}"
