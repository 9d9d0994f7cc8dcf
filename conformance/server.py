"""Our real server as a child process: started on a data directory, stopped, and started again on the same port."""

import asyncio
import json
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from conformance.inbox import Transcript

SEED = """\
team: {name: Acme, domain: acme}
users: [{name: alice, real_name: Alice Example, email: alice@example.test}, {name: bob}]
bots: [{name: relaybot}]
channels: [{name: general, members: [alice, bob, relaybot]}, {name: ops, private: true, members: [alice, relaybot]}]
"""

START_LIMIT = 30.0
STOP_LIMIT = 15.0


class ServerProcess:
    """``tautwire serve`` on a directory.

    Args:
        directory: holds the seed file, the data and the server's log.
        options: further arguments of ``tautwire serve``.
        seed: the text of the seed file.
    """

    def __init__(
        self, directory: Path, transcript: Transcript, options: Sequence[str] = (), *, seed: str = SEED
    ) -> None:
        self._seed = seed
        self._directory = directory
        self._transcript = transcript
        self._options = options
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._about: dict[str, Any] = {}

    async def __aenter__(self) -> "ServerProcess":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            await self.stop()
        self._transcript.note("server log", "\n" + self._log.read_text())

    @property
    def api_url(self) -> str:
        """Base URL of the Web API, with a slash at its end."""
        return str(self._about["api_url"])

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.api_url)
        return str(parts.hostname), int(parts.port or 80)

    def user(self, name: str) -> str:
        """Return the id of a person or bot of the seed."""
        return str(self._about["users"][name]["id"])

    def token(self, name: str) -> str:
        """Return the token of a person or bot of the seed."""
        return str(self._about["users"][name]["token"])

    def app_token(self, name: str) -> str:
        """Return the app-level token of an app of the seed."""
        return str(self._about["apps"][name]["app_token"])

    @property
    def control(self) -> dict[str, str]:
        """URL and secret of the control API, which the option ``--control on`` serves."""
        return dict(self._about["control"])

    def signing_secret(self, name: str) -> str:
        """Return the secret with which requests to an app of the seed are signed."""
        return str(self._about["apps"][name]["signing_secret"])

    async def act(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Carry out an operation of the control API, which needs ``--control on``."""
        door = self.control
        headers = {"Authorization": f"Bearer {door['secret']}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(door["url"] + operation, headers=headers, json=arguments) as response,
        ):
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    def app(self, name: str) -> dict[str, str]:
        """Return the ids, tokens and secrets of an app of the seed."""
        return dict(self._about["apps"][name])

    def channel(self, name: str) -> str:
        """Return the id of a channel of the seed."""
        return str(self._about["channels"][name])

    @property
    def _log(self) -> Path:
        return self._directory / "server.log"

    async def start(self) -> None:
        """Start it, on the port it had before if it had one, and wait until it serves."""
        seed = self._directory / "seed.yaml"
        seed.write_text(self._seed)
        port = self.address[1] if self._about else 0
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(f"{sysconfig.get_path('scripts')}/tautwire", "serve", "--json", "--port", str(port)),
                *("--data", str(self._directory / "data"), "--seed", str(seed), *self._options),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(START_LIMIT):
            line = await self._process.stdout.readline()
        if not line:
            await self._process.wait()
            raise RuntimeError(f"the server ended before it served:\n{self._log.read_text()}")
        self._about = json.loads(line)
        self._transcript.note("server", f"serves on {self.api_url}")
        self._reader = asyncio.create_task(self._drain(self._process.stdout))

    async def stop(self) -> int:
        """Ask it to end (SIGTERM), wait until it has and return its exit code."""
        process, reader = self._process, self._reader
        assert process is not None
        assert reader is not None
        if process.returncode is None:
            self._transcript.note("server", "SIGTERM")
            process.terminate()
        try:
            async with asyncio.timeout(STOP_LIMIT):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            code = await process.wait()
        await reader
        self._transcript.note("server", f"exit code {code}")
        self._process = None
        return code

    async def _drain(self, stdout: asyncio.StreamReader) -> None:
        async for line in stdout:
            self._transcript.note("server", line.decode().rstrip())
