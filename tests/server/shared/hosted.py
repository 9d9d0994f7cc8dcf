"""Workspaces of one process, for the tests of several."""

from pathlib import Path
from typing import Any

import aiohttp

from tautwire.server.app import Server
from tautwire.server.config import Settings

SEED = """
team: {{name: {name}, domain: {name}}}
users: [{{name: alice}}]
bots: [{{name: {name}bot}}]
channels: [{{name: general}}]
"""


async def fill(data: Path, name: str) -> None:
    """Make a workspace in a directory of its own."""
    data.parent.mkdir(exist_ok=True)
    seed = data.parent / f"{name}.yaml"
    seed.write_text(SEED.format(name=name))
    async with Server(Settings(data=data, port=0, drain=0, seed=seed)):
        pass


class Caller:
    """A user of one of the workspaces."""

    def __init__(self, server: Server, http: aiohttp.ClientSession, facts: Any, name: str) -> None:
        self._url, self._http = server.api_url, http
        self.facts = facts
        self.token = facts.users[name]["token"]
        self.general = facts.channels["general"]

    async def call(self, method: str, **arguments: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._http.post(self._url + method, data=arguments, headers=headers) as answer:
            body: dict[str, Any] = await answer.json()
            return body

    async def post(self, text: str) -> dict[str, Any]:
        return await self.call("chat.postMessage", channel=self.general, text=text)

    async def connect(self) -> aiohttp.ClientWebSocketResponse:
        grant = await self.call("rtm.connect")
        socket = await self._http.ws_connect(grant["url"])
        assert (await socket.receive_json())["type"] == "hello"
        return socket
