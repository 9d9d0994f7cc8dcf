"""An app that is asked, and the people who act: what the tests of interactivity share."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

from aiohttp import ClientSession, web
from slack_sdk.signature import Clock as ReceiverClock
from slack_sdk.signature import SignatureVerifier

from appside import AppSide, LinkSocket
from controlled import SECRET, operate
from scene import SEED, Frame, OpenScene, Scene, eventually

MEMBERS = "[alice, bob, relaybot]"


def seed(app: str) -> str:
    """Return the seed with the app ``desk``, a member of #general; ``app`` are the fields of its entry."""
    return f"{SEED}apps:\n  - {{name: desk, {app}}}\n".replace(MEMBERS, "[alice, bob, relaybot, desk]")


SOCKET_SEED = seed(
    "socket_mode: true, commands: [/deploy, {name: /invite, should_escape: true}], interactivity: true, shortcuts: "
    "[{callback_id: new, name: New}, {callback_id: keep, name: Keep, type: message}]"
)


async def open_controlled(open_scene: OpenScene, text: str = SOCKET_SEED, **settings: Any) -> Scene:
    """Start a server with the app and the control API."""
    return await open_scene(seed=text, control=True, control_secret=SECRET, **settings)


class SocketApp:
    """The app in Socket Mode: it answers each request with what the test says."""

    def __init__(self, side: AppSide, socket: LinkSocket) -> None:
        self.side = side
        self.socket = socket
        self.asked: list[Frame] = []
        self.answer: Callable[[Frame], Any] = lambda _: {}
        """Returns the payload of the ack; None for no ack."""
        self._task = asyncio.create_task(self._run())

    @classmethod
    async def connected(cls, scene: Scene, name: str = "desk") -> "SocketApp":
        side = AppSide(scene, name)
        return cls(side, await side.connect())

    @property
    def payload(self) -> Frame:
        """The payload of the last request."""
        found: Frame = self.asked[-1]["payload"]
        return found

    async def _run(self) -> None:
        while True:
            frame = await self.socket.frame()
            if frame["type"] not in ("slash_commands", "interactive"):
                continue
            self.asked.append(frame)
            payload = self.answer(frame)
            if payload is not None:
                await self.socket.ack(frame, **({"payload": payload} if payload != {} else {}))

    async def came(self, count: int = 1) -> Frame:
        """Wait for a request; return it."""
        await eventually(lambda: len(self.asked) >= count)
        return self.asked[count - 1]

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.socket.close()


class Form:
    """A request that came over HTTP."""

    def __init__(self, request: web.Request, body: bytes) -> None:
        self.path = request.path
        self.headers = request.headers
        self.body = body
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
        self.fields = {name: values[0] for name, values in fields.items()}

    @property
    def payload(self) -> Frame:
        found: Frame = json.loads(self.fields["payload"])
        return found

    def is_signed(self, secret: str, now: float) -> bool:
        clock = ReceiverClock()
        clock.now = lambda: now  # type: ignore[method-assign]
        return SignatureVerifier(secret, clock).is_valid_request(self.body, dict(self.headers))


class UrlApp:
    """The web server of an app."""

    def __init__(self) -> None:
        self.forms: list[Form] = []
        self.answer: Callable[[Form], Awaitable[web.StreamResponse]] = self.ack
        self.url = ""

    async def ack(self, _: Form) -> web.StreamResponse:
        return web.Response()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = Form(request, await request.read())
        self.forms.append(form)
        return await self.answer(form)

    @classmethod
    @asynccontextmanager
    async def served(cls) -> AsyncIterator["UrlApp"]:
        site = cls()
        app = web.Application()
        app.router.add_post("/{name}", site.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield site
        finally:
            await runner.cleanup()

    @property
    def seed(self) -> str:
        return seed(
            f"commands: [{{name: /deploy, url: '{self.url}/command'}}], "
            f"interactivity: {{request_url: '{self.url}/act', options_url: '{self.url}/options'}}"
        )


async def command(scene: Scene, text: str, *, user: str = "alice", channel: str = "general") -> dict[str, Any]:
    """Use a command."""
    return await operate(scene, "command", user=user, channel=channel, text=text)


BUTTON = {
    "type": "actions",
    "block_id": "act1",
    "elements": [
        {"type": "button", "action_id": "take", "text": {"type": "plain_text", "text": "Take"}, "value": "7"},
        {
            "type": "static_select",
            "action_id": "prio",
            "options": [
                {"text": {"type": "plain_text", "text": "High"}, "value": "p1"},
                {"text": {"type": "plain_text", "text": "Low"}, "value": "p3"},
            ],
        },
    ],
}


async def click(scene: Scene, ts: str, action_id: str = "take", **arguments: Any) -> dict[str, Any]:
    """Press a button in #general."""
    given = {"user": "alice", "channel": "general", **arguments}
    return await operate(scene, "click", ts=ts, action_id=action_id, **given)


async def use(url: str, body: Any, **options: Any) -> tuple[int, str]:
    """Post at a hook on a connection of its own, since the tests turn the clock; return status and text."""
    given = {"json": body} if not isinstance(body, bytes) else {"data": body}
    async with ClientSession() as http, http.post(url, **given, **options) as response:
        return response.status, await response.text()
