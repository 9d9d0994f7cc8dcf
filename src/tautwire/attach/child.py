"""The program that ``tautwire gateway run -- CMD`` or ``tautwire serve -- CMD`` starts, and its end."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from tautwire.protocol.errors import ConfigError

PATIENCE: Final = 8.0
"""Seconds that the program has to end after a SIGTERM, before it is killed."""


Start = Callable[[Sequence[str], Mapping[str, str]], Awaitable[asyncio.subprocess.Process]]
"""Starts a program in an environment; raises ``ConfigError`` if it cannot be started."""


def check(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Look for a program as the system does when it starts one: for one that is missing nothing else is started.

    Raises:
        ConfigError: it is not there, or is no program.
    """
    if shutil.which(command[0], path=environment.get("PATH", os.defpath)) is None:
        raise ConfigError(
            f"{command[0]} cannot be started: it is not a program, by its path or in PATH; CMD is the program to run "
            "and its arguments, and options of this command come before it"
        )


async def start(command: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a program.

    Raises:
        ConfigError: it cannot be started.
    """
    try:
        return await asyncio.create_subprocess_exec(*command, env=dict(environment))
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be started: {error.strerror or error}") from None


async def run(command: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event, start: Start = start) -> int:
    """Run a program until it ends, or is ended because ``stop`` is set; return its exit code, as a shell has it.

    Raises:
        ConfigError: it cannot be started.
    """
    process = await start(command, environment)
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
