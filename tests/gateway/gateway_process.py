"""``tautwire gateway run`` as a process that a test starts, kills and starts again on the same port."""

import asyncio
import json
import os
import signal
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scene import eventually

TAUTWIRE = f"{sysconfig.get_path('scripts')}/tautwire"
START_PATIENCE = 60.0
"""Seconds for a start or an end, on a machine that is busy."""


class GatewayProcess:
    """A gateway of its own process.

    Args:
        secrets: ``bot_token`` and ``app_token`` of the app at the upstream.
    """

    def __init__(self, directory: Path, upstream_url: str, secrets: dict[str, Any], *options: str) -> None:
        self.data = directory / "gateway"
        self._log = directory / "gateway.log"
        self._options = options
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("TAUTWIRE_", "SLACK_"))},
            "SLACK_API_URL": upstream_url,
            "SLACK_BOT_TOKEN": secrets["bot_token"],
            "SLACK_APP_TOKEN": secrets["app_token"],
        }
        self._process: Any = None
        self.about: dict[str, Any] = {}

    @property
    def api_url(self) -> str:
        return str(self.about["api_url"])

    @property
    def token(self) -> str:
        (bot,) = self.about["bots"].values()
        return str(bot["token"])

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def start(self, *command: str, directory: Path | None = None, options: tuple[str, ...] = ()) -> None:
        """Start it, and wait until it serves; see ``begin``."""
        await self.begin(*command, directory=directory, options=options)
        line = await self.line()
        assert line, self.log
        self.about = json.loads(line)

    async def begin(self, *command: str, directory: Path | None = None, options: tuple[str, ...] = ()) -> None:
        """Start it.

        Args:
            command: the program that it runs.
            directory: in which both run; the working directory if it is missing.
            options: further ones, for this start only.
        """
        port = self.api_url.split(":")[2].split("/")[0] if self.about else "0"
        arguments = (
            *("gateway", "run", "--json", "--port", port, "--data", str(self.data)),
            *("--pace", "off", "--rate-limits", "off", "--legacy-bot-messages", "off", *self._options, *options),
            *(("--", *command) if command else ()),
        )
        self._process = await self._launch(arguments, self._environment, self._log, directory)

    async def _launch(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path, directory: Path | None = None
    ) -> Any:
        """Start the command; return what has the interface of ``asyncio.subprocess.Process``."""
        with log.open("ab") as stream:
            return await asyncio.create_subprocess_exec(
                TAUTWIRE, *arguments, env=environment, cwd=directory,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=stream,
            )  # fmt: skip

    async def line(self) -> str:
        """Return the next line of its output."""
        line: bytes = await asyncio.wait_for(self._process.stdout.readline(), START_PATIENCE)
        return line.decode()

    async def child(self) -> int:
        """Wait until it has started its program; return the number of the program's process."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        found: list[str] = []
        await eventually(lambda: bool(found.extend(children.read_text().split()) or found))
        return int(found[0])

    def reload(self) -> None:
        """Have it read its settings anew."""
        self._process.send_signal(signal.SIGHUP)

    async def logged(self, text: str, count: int = 1) -> None:
        """Wait until its log has a text so many times."""
        await eventually(lambda: self.log.count(text) >= count)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """End it with a signal; return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        code: int = await asyncio.wait_for(process.wait(), START_PATIENCE)
        return code

    async def ended(self) -> int:
        """Wait until it ends by itself; return its exit code."""
        code: int = await asyncio.wait_for(self._process.wait(), START_PATIENCE)
        return code
