"""An upstream with people in it, a gateway in front of it, and bots that talk RTM to the gateway."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Self

from crooked import Crooked
from scene import Scene, Socket, TurnedClock, eventually
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.gateway import Gateway
from tautwire.server.config import Settings
from tautwire.server.services.access.subscriptions import BOT_EVENTS

EVENTS = ", ".join(sorted(BOT_EVENTS - {"message"}))
SEED = f"""
team: {{name: Acme, domain: acme}}
users:
  - {{name: alice, real_name: Alice Example, email: alice@example.test}}
  - {{name: bob}}
  - {{name: carol}}
bots: [{{name: relaybot}}]
channels:
  - {{name: general, members: [alice, bob, relaybot, desk]}}
  - {{name: ops, private: true, members: [alice, desk]}}
  - {{name: lounge, members: [alice, bob]}}
apps:
  - {{name: desk, socket_mode: true, bot_events: [{EVENTS}]}}
"""
BOT = "desk"

OpenStage = Callable[..., Awaitable["Stage"]]


class Stage:
    """The upstream, the gateway and the bots at both."""

    def __init__(self, upstream: Scene, line: Crooked, data: Path, **settings: Any) -> None:
        self.upstream = upstream
        self.line = line
        self.data = data
        self.bot = upstream.users[BOT]
        self.general = upstream.general
        self.ops = upstream.ops
        self._server = settings.pop("server", {})
        self._provider = settings.pop("tracer_provider", None)
        self._has_page = bool(settings.pop("page", False))
        self._settings = {"pace": False, "legacy_bot_messages": False, **settings}
        self._sockets: list[Socket] = []
        self.gateway: Gateway

    @classmethod
    @asynccontextmanager
    async def opened(cls, directory: Path, **settings: Any) -> AsyncIterator[Self]:
        """Run both until the end of the block."""
        given = settings.pop("upstream", {})
        async with Crooked("http://127.0.0.1:9/api/") as line, AsyncExitStack() as stack:
            seed = SEED
            if settings.get("events") == "http":
                seed = SEED.replace("socket_mode: true", f"request_url: '{line.api_url[:-4]}slack/events'")
            upstream = await stack.enter_async_context(
                Scene.opened(directory / "upstream", TurnedClock(), seed=seed, **given)
            )
            line.point(upstream.server.api_url)
            stage = cls(upstream, line, directory / "gateway", **settings)
            await stage.start()
            try:
                yield stage
            finally:
                await asyncio.gather(*(socket.close() for socket in stage._sockets))
                await stage.gateway.stop()

    async def start(self, port: int = 0) -> None:
        """Start the gateway, and wait until events come."""
        secrets = self.upstream.directory.apps[BOT]
        settings = {
            "upstream_url": self.line.api_url,
            "bot_token": secrets["bot_token"],
            "app_token": secrets["app_token"],
            "signing_secret": secrets["signing_secret"],
            **self._settings,
        }
        server = Settings(data=self.data, port=port, rate_limits=False, drain=0.01, **self._server)
        self.gateway = Gateway(GatewaySettings(**settings), server, page=self._has_page, tracer_provider=self._provider)
        await self.gateway.start()
        self.line.events_url = self.gateway.api_url.replace("/api/", "/slack/events")
        await eventually(lambda: self.gateway.relay.link.is_up)
        await eventually(lambda: self.tap.is_running)

    async def restart(self) -> None:
        """Stop the gateway in order, and start it again."""
        await self.gateway.stop()
        await self.start()

    async def request(self, method: str, /, token: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Call a method at the gateway; return the answer, whatever it says."""
        secret = self.gateway.local_token.reveal() if token is None else token
        form = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in arguments.items()
            if value is not None
        }
        headers = {"Authorization": f"Bearer {secret}"}
        async with self.upstream.http.post(self.gateway.api_url + method, data=form, headers=headers) as response:
            found: dict[str, Any] = json.loads(await response.read())
            return found

    async def ok(self, method: str, /, **arguments: Any) -> dict[str, Any]:
        """Call a method at the gateway that has to succeed."""
        answer = await self.request(method, **arguments)
        assert answer["ok"], answer
        return answer

    async def dial(self, grant: dict[str, Any]) -> Socket:
        """Open the socket of a grant; nothing is read."""
        socket = Socket(await self.upstream.http.ws_connect(grant["url"], compress=0, max_msg_size=0), grant)
        self._sockets.append(socket)
        return socket

    async def connect(self, **arguments: Any) -> Socket:
        """Connect a bot to the gateway, up to and including the hello."""
        socket = await self.dial(await self.ok("rtm.connect", **arguments))
        assert (await socket.frame())["type"] == "hello"
        return socket

    async def post(self, who: str, channel: str, text: str, **arguments: Any) -> str:
        """Post a message at the upstream; return its ts."""
        return await self.upstream.post(who, channel, text, **arguments)

    async def settled(self) -> None:
        """Wait until the gateway has acknowledged everything that has happened at the upstream."""
        tail = self.upstream.server.workspace.tail
        await eventually(lambda: self.tap.settled == tail.position)

    @property
    def tap(self) -> Any:
        """What the upstream has for the app."""
        (served,) = self.upstream.server.host
        (tap,) = served.taps
        return tap

    async def received(self, socket: Socket, text: str) -> list[dict[str, Any]]:
        """Return the frames up to the message with a text."""
        frames = [await socket.frame()]
        while frames[-1].get("text") != text:
            frames.append(await socket.frame())
        return frames
