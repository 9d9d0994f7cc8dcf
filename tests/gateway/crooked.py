"""A line between gateway and upstream that does what networks and servers do on a bad day."""

import asyncio
import contextlib
import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web

KEPT = ("Retry-After", "X-OAuth-Scopes", "Content-Type", "Content-Disposition", "Content-Range", "Accept-Ranges")
"""Headers of answers that are passed on."""

Call = tuple[str, dict[str, str]]
"""A method and its arguments."""


class Crooked:
    """Forwards calls and sockets to a server; faults are attributes that a test sets.

    Args:
        api_url: that of the server behind it.
    """

    def __init__(self, api_url: str) -> None:
        self.calls: list[Call] = []
        self.tokens: set[str] = set()
        """The tokens of all calls."""
        self.before: Callable[[str, dict[str, str]], Awaitable[web.Response | None]] | None = None
        """Called before a call is forwarded; a response is the answer in its place."""
        self.after: Callable[[str, dict[str, str]], Awaitable[None]] | None = None
        """Called between the answer of the server and that to the gateway."""
        self.loses: Callable[[str], bool] = lambda method: False
        """Whether the answer of a call is lost after the server has carried it out."""
        self.sees: Callable[[web.Request, bytes], None] = lambda request, body: None
        """Called with every request, and its body."""
        self.takes: Callable[[web.Request], Awaitable[bytes]] = web.Request.read
        """Reads the body of a request."""
        self.streams: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        """Answers of methods in place of the server's."""
        self.scopes: str | None = ""
        """The scopes that answers name; None for no header, empty for those of the server."""
        self.drops_ack: Callable[[str], bool] = lambda envelope: False
        self.repeats: Callable[[str], bool] = lambda envelope: False
        """Whether an envelope is sent twice."""
        self.hides: Callable[[str], bool] = lambda text: False
        """Whether a frame of the server is lost."""
        self.forgets = False
        """Whether the server seems to keep no events of an app without connection, as Slack."""
        self.leads = ""
        """Where sockets are redirected to, instead of being served."""
        self.sockets: list[tuple[web.WebSocketResponse, aiohttp.ClientWebSocketResponse]] = []
        self.was_cut = False
        """Whether the gateway may be without an upstream for a moment, which it logs as a fault."""
        self.opened = 0
        self.events_url = ""
        """Where events over HTTP are passed on to."""
        self._lost: set[str] = set()
        self._target = urlsplit(api_url)
        self._site: web.TCPSite | None = None
        self._requests: list[web.BaseRequest] = []
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))  # see Scene.opened
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        self.api_url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await self._listen(0)
        self.api_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cut()
        await self._http.close()
        await self._runner.cleanup()

    def point(self, api_url: str) -> None:
        """Forward to another server from now on."""
        self._target = urlsplit(api_url)

    async def _listen(self, port: int) -> None:
        self._site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await self._site.start()

    async def die(self) -> None:
        """End as a proxy does that is killed: whatever is on its way is lost, and nothing listens any more."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        await self.cut()
        for request in self._requests:
            _abort(request)

    async def live(self) -> None:
        """Listen again, where it did before."""
        if self._site is None:
            await self._listen(urlsplit(self.api_url).port or 0)

    async def cut(self) -> None:
        """End all sockets without a Close frame."""
        self.was_cut = True
        await self._cut()

    async def _cut(self) -> None:
        for near, far in self.sockets:
            for transport in (
                near._req.transport if near._req is not None else None,
                far._conn and far._conn.transport,
            ):
                if transport is not None:
                    transport.abort()
        self.sockets.clear()

    async def tell(self, frame: dict[str, Any]) -> None:
        """Send the gateway a frame on its newest socket."""
        await self.sockets[-1][0].send_str(json.dumps(frame))

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return sum(name == method for name, _ in self.calls)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return (
                web.Response(status=302, headers={"Location": self.leads}) if self.leads else await self._pump(request)
            )
        if request.path == "/slack/events":
            return await self._pass_event(request)
        self._requests.append(request)
        try:
            return await self._forward(request)
        finally:
            self._requests.remove(request)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        method = request.path.removeprefix("/api/")
        body = await self.takes(request)
        self.sees(request, body)
        arguments = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        self.calls.append((method, arguments))
        self.tokens.add(request.headers.get("Authorization", ""))
        if method in self.streams:
            return await self.streams[method](request)
        answer = await self.before(method, arguments) if self.before is not None else None
        if answer is not None:
            return answer
        url = f"http://{self._target.netloc}{request.rel_url}"
        headers = {name: value for name, value in request.headers.items() if name != "Content-Length"}
        try:
            async with self._http.request(request.method, url, data=body, headers=headers) as response:
                found = await response.read()
                kept = {name: response.headers[name] for name in KEPT if name in response.headers}
                status = response.status
        except aiohttp.ClientError:
            return web.Response(status=502)
        if self.scopes != "":
            kept.pop("X-OAuth-Scopes", None)
        if self.scopes:
            kept["X-OAuth-Scopes"] = self.scopes
        if self.after is not None:
            await self.after(method, arguments)
        if self.loses(method):
            _abort(request)
        return web.Response(body=found, status=status, headers=kept)

    async def _pass_event(self, request: web.Request) -> web.Response:
        """Pass an event over HTTP on; the answer to an event is lost once at most."""
        body = await request.read()
        event = json.loads(body).get("event_id", "") if request.content_type == "application/json" else ""
        headers = {name: value for name, value in request.headers.items() if name not in ("Content-Length", "Host")}
        if self.hides(body.decode()):
            return web.Response(status=500)
        try:
            for _ in range(2 if event and self.repeats(event) else 1):
                async with self._http.post(self.events_url, data=body, headers=headers) as response:
                    status, found = response.status, await response.read()
        except (aiohttp.ClientError, ValueError):
            return web.Response(status=502)
        if event and event not in self._lost and self.drops_ack(event):
            self._lost.add(event)
            return web.Response(status=500)
        return web.Response(body=found, status=status)

    async def _pump(self, request: web.Request) -> web.StreamResponse:
        url = f"ws://{self._target.netloc}{request.rel_url}"
        near = web.WebSocketResponse(autoclose=False)
        try:
            far = await self._http.ws_connect(url)
        except aiohttp.ClientError:
            return web.Response(status=502)
        async with far:
            try:
                await near.prepare(request)
            except ConnectionError:
                return near
            self.opened += 1
            self.sockets.append((near, far))
            pumps = [asyncio.create_task(self._down(near, far)), asyncio.create_task(self._up(near, far))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            if far.close_code in (None, WSCloseCode.ABNORMAL_CLOSURE):
                _abort(request)  # a Close frame would say that all of the server's has come
            with contextlib.suppress(ConnectionError):
                await near.close()
        return near

    async def _down(self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
        async for message in far:
            if message.type is WSMsgType.TEXT and not self.hides(message.data):
                envelope = json.loads(message.data).get("envelope_id", "")
                text = message.data.replace('"keeps_events":true', '"keeps_events":false')
                await near.send_str(text if self.forgets else message.data)
                if envelope and self.repeats(envelope):
                    await near.send_str(message.data)

    async def _up(self, near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
        while (message := await near.receive()).type is WSMsgType.TEXT:
            if not self.drops_ack(json.loads(message.data).get("envelope_id", "")):
                await far.send_str(message.data)
        if message.type is WSMsgType.CLOSE:  # it goes through like all else, and what is on its way back still comes
            await far.send_frame(struct.pack("!H", message.data or WSCloseCode.OK), WSMsgType.CLOSE)
            await asyncio.Event().wait()


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def limited(seconds: float) -> web.Response:
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": str(seconds)})


def refused(code: str, **members: Any) -> web.Response:
    return web.json_response({"ok": False, "error": code, **members})
