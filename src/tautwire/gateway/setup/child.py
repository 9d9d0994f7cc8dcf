"""The program that ``tautwire gateway run -- CMD`` starts: its environment, and its end.

The program gets the address of the gateway and the local token in the variables that bots are configured by. The tokens
of the upstream's app are taken out: the program cannot pass on what it does not have.
"""

import asyncio
import contextlib
import signal
from collections.abc import Mapping, Sequence
from typing import Final

from tautwire.protocol.errors import ConfigError

HIDDEN: Final = (
    "SLACK_APP_TOKEN", "TAUTWIRE_APP_TOKEN", "TAUTWIRE_APP_TOKEN_FILE", "TAUTWIRE_BOT_TOKEN",
    "TAUTWIRE_BOT_TOKEN_FILE", "TAUTWIRE_LOCAL_TOKEN", "SLACK_SIGNING_SECRET", "TAUTWIRE_SIGNING_SECRET",
    "TAUTWIRE_SIGNING_SECRET_FILE", "TAUTWIRE_UPSTREAM_PROXY",
)  # fmt: skip
TOKENS: Final = ("SLACK_BOT_TOKEN", "SLACK_API_TOKEN", "SLACK_TOKEN", "SLACKBOT_API_TOKEN", "HUBOT_SLACK_TOKEN")
"""Variables by which bots are given their token."""
PATIENCE: Final = 8.0
"""Seconds that the program has to end after a SIGTERM, before it is killed."""


def environment_of(environment: Mapping[str, str], api_url: str, token: str) -> dict[str, str]:
    """Return the environment of the program."""
    kept = {name: value for name, value in environment.items() if name not in HIDDEN}
    return {**kept, "SLACK_API_URL": api_url, **dict.fromkeys(TOKENS, token)}


async def run(command: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event) -> int:
    """Run a program until it ends, or is ended because ``stop`` is set; return its exit code, as a shell has it.

    Raises:
        ConfigError: it cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(*command, env=dict(environment))
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be started: {error.strerror or error}") from None
    ended, stopping = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ended.done():
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await asyncio.wait((ended,), timeout=PATIENCE)
        if not ended.done():
            process.kill()
    code = await ended
    return code if code >= 0 else 128 - code
