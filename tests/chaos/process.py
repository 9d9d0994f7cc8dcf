"""The real server as a child process: started, killed, stopped, frozen and weighed."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

Facts = dict[str, Any]

START_LIMIT = 60.0
STOP_LIMIT = 60.0


class ServerEnded(Exception):  # noqa: N818 - an outcome
    """The server's process ended before it served."""


class Served:
    """``tautwire serve`` on a data directory, without rate limits unless ``options`` say otherwise.

    Args:
        seed: the text of the seed file, if there is to be one.
        scratch: where that file and the log go; beside the data directory if it is not given.
    """

    def __init__(self, data: Path, *options: str, seed: str | None = None, scratch: Path | None = None) -> None:
        scratch = scratch or data.parent
        self.data = data
        self.database: str | None = None
        """The URL of its PostgreSQL, if it has one."""
        self.facts: Facts = {}
        """What the server says of its workspace: addresses, ids, tokens."""
        self._options = options
        self._process: Any = None
        self._log = scratch / f"{data.name}.log"
        if seed is not None:
            file = scratch / f"{data.name}.yaml"
            file.write_text(seed)
            self._options = (*options, "--seed", str(file))

    @property
    def process(self) -> Any:
        """What has the interface of ``asyncio.subprocess.Process``."""
        assert self._process is not None
        return self._process

    @property
    def api_url(self) -> str:
        return str(self.facts["api_url"])

    @property
    def log(self) -> str:
        """All that its processes have written to stderr."""
        return self._log.read_text() if self._log.exists() else ""

    def token(self, name: str) -> str:
        return str(self.facts["users"][name]["token"])

    def user(self, name: str) -> str:
        return str(self.facts["users"][name]["id"])

    def channel(self, name: str) -> str:
        return str(self.facts["channels"][name])

    async def start(self) -> None:
        """Start it, on a free port, and wait until it serves."""
        arguments = (
            *("serve", "--port", "0", "--json", "--rate-limits", "off", "--log-level", "warning"),
            *("--data", str(self.data), *self._options),
        )
        self._process = await self._launch(arguments, self._log)
        line = await asyncio.wait_for(self._process.stdout.readline(), START_LIMIT)
        if not line:
            await self._process.wait()
            raise ServerEnded(self.log)
        self.facts = json.loads(line)

    async def _launch(self, arguments: tuple[str, ...], log: Path) -> Any:
        """Start the command; return what has the interface of ``asyncio.subprocess.Process``."""
        with log.open("ab") as stream:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tautwire", *arguments, stdout=asyncio.subprocess.PIPE, stderr=stream
            )

    async def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self.process.terminate()
        code: int = await asyncio.wait_for(self.process.wait(), STOP_LIMIT)
        return code

    async def end(self) -> None:
        """See to it that it is gone, whatever state it is in."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        if self.log:
            print(f"the server's log ({self._log}):\n{self.log[-6_000:]}")

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def memory(self) -> float:
        """Its resident memory in MiB."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def call(self, http: aiohttp.ClientSession, who: str, method: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a method of the Web API; return the answer, whatever it says."""
        headers = {"Authorization": f"Bearer {self.token(who)}"}
        async with http.post(self.api_url + method, data=arguments, headers=headers) as answer:
            found: dict[str, Any] = await answer.json()
            return found


Open = Callable[..., Awaitable[Served]]
"""Starts a server; the arguments are those of ``Served``."""


async def eventually(condition: Callable[[], object], complaint: str, within: float = 20.0) -> None:
    """Wait for something that happens on its own."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, complaint
        await asyncio.sleep(0.01)
