"""A gateway of several bots, which are apps of one upstream workspace."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp

from scene import Scene, Socket, TurnedClock, eventually
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.gateway import Gateway
from tautwire.server.config import Settings

EVENTS = "message.channels, reaction_added, app_mention"
SEED = f"""
team: {{name: Acme, domain: acme}}
users: [{{name: alice}}]
channels:
  - {{name: general, members: [alice, desk, porter]}}
  - {{name: ops, members: [alice, porter]}}
apps:
  - {{name: desk, socket_mode: true, bot_events: [{EVENTS}]}}
  - {{name: porter, socket_mode: true, bot_events: [{EVENTS}]}}
"""


class Several:
    """The upstream, and what is called at the gateway in front of it."""

    def __init__(self, upstream: Scene, data: Path) -> None:
        self.upstream = upstream
        self.data = data
        self.gateway: Gateway
        self._sockets: list[Socket] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, directory: Path) -> AsyncIterator[Self]:
        """Run the upstream and, once it was started, the gateway until the end of the block."""
        async with AsyncExitStack() as stack:
            upstream = await stack.enter_async_context(Scene.opened(directory / "upstream", TurnedClock(), seed=SEED))
            several = cls(upstream, directory / "gateway")
            stack.push_async_callback(several.stop)
            yield several

    def settings(self, app: str, **more: Any) -> GatewaySettings:
        """Return the settings of the bot of an app."""
        secrets = self.upstream.directory.apps[app]
        tokens = {"bot_token": secrets["bot_token"], "app_token": secrets["app_token"]}
        return GatewaySettings(**{"upstream_url": self.upstream.server.api_url, "pace": False, **tokens, **more})

    async def start(self, bots: dict[str, GatewaySettings] | GatewaySettings, **server: Any) -> None:
        """Start the gateway, and wait until events come for those that are served."""
        page = bool(server.pop("page", False))
        given = {"data": self.data, "port": 0, "rate_limits": False, "drain": 0.01, **server}
        self.gateway = Gateway(bots, Settings(**given), page=page)
        await self.gateway.start()
        await eventually(lambda: all(relay.link.is_up for relay in self.gateway.bots))

    async def stop(self) -> None:
        """Stop the gateway, if it was started."""
        for socket in self._sockets:
            await socket.close()
        if hasattr(self, "gateway"):
            await self.gateway.stop()

    def token(self, bot: str, name: str = "bot") -> str:
        """Return a local token of a bot."""
        relay = self.gateway.bots.get(bot)
        assert relay is not None
        return relay.local_tokens[name].reveal()

    async def request(self, token: str, method: str, **form: Any) -> dict[str, Any]:
        """Call a method at the gateway; return the answer, whatever it says."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self.upstream.http.post(self.gateway.api_url + method, data=form, headers=headers) as response:
            found: dict[str, Any] = json.loads(await response.read())
            return found

    async def connect(self, token: str) -> Socket:
        """Connect a program to the gateway, up to and including the hello."""
        grant = await self.request(token, "rtm.connect")
        assert grant["ok"], grant
        socket = await self.dial(grant)
        assert (await socket.frame())["type"] == "hello"
        return socket

    async def dial(self, grant: dict[str, Any]) -> Socket:
        """Open the socket of a grant; nothing is read."""
        socket = Socket(await self.upstream.http.ws_connect(grant["url"], compress=0, max_msg_size=0), grant)
        self._sockets.append(socket)
        return socket

    async def probe(self, path: str) -> tuple[int, str]:
        """Return status and body of a probe."""
        async with aiohttp.ClientSession() as http, http.get(self.gateway.api_url.replace("/api/", path)) as response:
            return response.status, await response.text()
