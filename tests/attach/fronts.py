"""A front, the HTTP server behind it, and bytes that go to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiohttp import WSMsgType, web

from tautwire.attach.authority import Authority
from tautwire.attach.front import Front
from tautwire.attach.hosts import Hosts
from tautwire.attach.legs import Legs
from tautwire.attach.outside import Outside

PATIENCE = 20.0
"""Seconds after which something that should have happened has not."""

OpenFront = Callable[..., Awaitable["Fronted"]]


class Fronted:
    """A front, and what came to the server behind it."""

    def __init__(self, front: Front, authority: Authority, seen: list[str]) -> None:
        self.front = front
        self.authority = authority
        self.seen = seen
        """Method, host and path of each request."""

    @property
    def port(self) -> int:
        return self.front.port

    def client_context(self) -> ssl.SSLContext:
        """Return TLS settings that trust the root alone."""
        return ssl.create_default_context(cafile=self.authority.root)

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, data: bytes) -> bytes:
        """Send bytes, and return everything that comes until the front closes the connection."""
        reader, writer = await self.dial()
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE)
        finally:
            writer.close()

    async def call(self, host: str, path: str = "/api/api.test") -> bytes:
        """Make a request by TLS to the front; return the answer."""
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection("127.0.0.1", self.port, ssl=self.client_context(), server_hostname=host), PATIENCE
        )
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        try:
            return await asyncio.wait_for(reader.read(), PATIENCE)
        finally:
            writer.close()


async def echo(request: web.Request) -> web.StreamResponse:
    """Answer with the body; a WebSocket gets its messages back."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data)
        return ws
    return web.Response(body=b"behind:" + await request.read())


@asynccontextmanager
async def serving(seen: list[str]) -> AsyncIterator[int]:
    """Run the server; yield its port."""

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(f"{request.method} {request.host} {request.path_qs}")
        return await echo(request)

    application = web.Application(client_max_size=2**26)
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[OpenFront]:
    """Yield what starts a front; it is stopped at the end of the block."""
    async with AsyncExitStack() as stack:

        async def open_front(*, environment: Mapping[str, str] | None = None, team: str = "") -> Fronted:
            seen: list[str] = []
            port = await stack.enter_async_context(serving(seen))
            authority = Authority(folder)
            front = Front(
                Hosts(team), authority.context, Legs(), Outside(environment or {}), host="127.0.0.1", port=0
            )  # fmt: skip
            front.start(port, port)
            stack.push_async_callback(front.stop)
            return Fronted(front, authority, seen)

        yield open_front


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - a poll
            await asyncio.sleep(0.01)
