"""Attached programs of ``tautwire gateway run`` and ``tautwire serve``: the front, what is printed, the program."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from tautwire.attach import child
from tautwire.attach.attachment import Attachment
from tautwire.attach.config import AttachSettings
from tautwire.attach.environment import exports
from tautwire.attach.hosts import SOCKET_ORIGIN
from tautwire.cli.service import told
from tautwire.server.health import Health
from tautwire.server.store.engine import StoreError

Command = Annotated[
    list[str] | None,
    typer.Argument(metavar="CMD", help="A program to run: a bot that is led here by its environment."),
]


class Attachable(Protocol):
    """A gateway or a server."""

    @property
    def health(self) -> Health:
        """Its faults."""

    @property
    def api_url(self) -> str:
        """The base URL of the Web API."""

    async def listen_for_front(self, socket_origin: str) -> int:
        """Listen on one more port for a front."""

    async def broken(self) -> StoreError:
        """Wait until the store is broken for good."""


class Attaching:
    """The attachment of a command, and the program that it runs.

    It is made before the gateway or server is entered into ``stack``, so it ends after it: what they say at their end
    still reaches the programs.

    Args:
        environment: what the program inherits.

    Raises:
        ConfigError: there is no such program.
    """

    def __init__(
        self,
        settings: AttachSettings,
        data: Path,
        command: list[str] | None,
        stack: AsyncExitStack,
        environment: Mapping[str, str],
    ) -> None:
        if command:
            child.check(command, environment)
        self.is_on = settings.attach or bool(command)
        self.command = command or []
        self._attachment = Attachment(settings, data, environment)
        self._stack = stack
        stack.push_async_callback(self._attachment.stop)

    @property
    def code_if_not_run(self) -> int:
        """The exit code of a stop before the program was run: that of a program which SIGTERM ended; 0 without one."""
        return 128 + signal.SIGTERM if self.command else 0

    async def start(self, served: Attachable, team: str = "") -> None:
        """Serve attached programs, if that is asked for."""
        if self.is_on:
            behind = await served.listen_for_front(SOCKET_ORIGIN)
            self._attachment.start(behind, served.api_url, team)
            self._stack.push_async_callback(self._attachment.stop_accepting)

    def about(self) -> dict[str, Any]:
        """Return the members for ``--json``."""
        return {"attach": self._attachment.about()} if self.is_on else {}

    def describe(self) -> list[str]:
        """Return the lines for people: for the program of the command none but the address."""
        if not self.is_on:
            return []
        lines = [f"  attached  {self._attachment.way.front}, for programs that have slack.com written into them"]
        if self.command:
            return lines
        return [*lines, "Attach programs of a shell by these lines, and their token:", *exports(self._attachment.way)]

    async def run(
        self, served: Attachable, stop: asyncio.Event, token: str = "", app_token: str | None = None
    ) -> tuple[int, StoreError | None]:
        """Run the program until it ends, or serve until ``stop`` is set or the store is broken.

        Returns:
            The exit code, and why the store is broken.
        """
        if self.command:
            return await self._attachment.run(self.command, token, app_token, stop), None
        asked, broken = asyncio.create_task(stop.wait()), asyncio.create_task(served.broken())
        async with told(served.health):
            await asyncio.wait((asked, broken), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        return (0, None) if broken.cancel() else (1, broken.result())
