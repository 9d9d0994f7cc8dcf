"""The web servers of apps that get their events over HTTP."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from scene import SEED, Frame, Scene, eventually

Answer = Callable[[Frame], Awaitable[web.StreamResponse]]


class Taken:
    """A request that came."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.headers = request.headers
        self.body = body
        self.payload: Frame = json.loads(body)

    @property
    def text(self) -> str:
        return str(self.payload["event"].get("text"))

    @property
    def retry(self) -> tuple[str | None, str | None]:
        return self.headers.get("X-Slack-Retry-Num"), self.headers.get("X-Slack-Retry-Reason")


async def ok(_: Frame) -> web.StreamResponse:
    return web.Response()


async def failing(_: Frame) -> web.StreamResponse:
    return web.Response(status=500)


class Site:
    """The web server of an app; ``answer`` is what it does with events."""

    def __init__(self) -> None:
        self.answer: Answer = ok
        self.is_verifying = True
        self.challenges = 0
        self.taken: list[Taken] = []
        self.notices: list[Taken] = []
        self.url = ""
        self.request: Any = None
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._seen = 0

    async def open(self) -> None:
        """Listen, at the port of the first time."""
        app = web.Application()
        app.router.add_post("/events", self.handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/events"

    async def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        taken = Taken(request, await request.read())
        self.request = request
        if taken.payload["type"] == "url_verification":
            self.challenges += 1
            return web.json_response({"challenge": taken.payload["challenge"]} if self.is_verifying else {})
        if taken.payload["type"] != "event_callback":
            self.notices.append(taken)
            return await self.answer(taken.payload)
        self.taken.append(taken)
        return await self.answer(taken.payload)

    async def take(self) -> Taken:
        """Return the next event that came."""
        await eventually(lambda: len(self.taken) > self._seen)
        self._seen += 1
        return self.taken[self._seen - 1]


def seed(**urls: str) -> str:
    apps = "\n".join(
        f"  - {{name: {name}, request_url: '{url}', bot_events: [message.channels, app_mention]}}"
        for name, url in urls.items()
    )
    members = f"[alice, bob, relaybot, {', '.join(urls)}]"
    return f"{SEED}apps:\n{apps}\n".replace("[alice, bob, relaybot]", members)


def tap(scene: Scene, name: str = "desk") -> Any:
    (served,) = scene.server.host
    return served.taps.find(scene.directory.apps[name]["id"])


async def settled(scene: Scene, name: str = "desk") -> None:
    """Wait until an app is done with the log."""
    await eventually(lambda: tap(scene, name).settled == scene.server.workspace.tail.position)
