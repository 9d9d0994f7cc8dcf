"""A server with the web page, the browser pages that look at it, and the app that answers them."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, expect

from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.directory import Directory

PATIENCE = 20.0
expect.set_options(timeout=PATIENCE * 1000)

SEED = """
team: {name: Acme, domain: acme}
users:
  - {name: alice, real_name: Alice Example}
  - {name: bob}
channels:
  - {name: general, members: [alice, bob, desk]}
  - {name: lounge, members: [alice, bob]}
  - {name: quiet, members: [bob]}
apps:
  - {name: desk, socket_mode: true, bot_events: [message.channels, app_home_opened], interactivity: true,
     commands: [/ticket], shortcuts: [{type: message, callback_id: file_it, name: File it}]}
"""

OpenPlace = Callable[..., Awaitable["Place"]]
Answer = dict[str, Any]


class Place:
    """A running server, and what the tests do at it."""

    def __init__(self, server: Server, directory: Directory, http: aiohttp.ClientSession, browser: Browser) -> None:
        self.server = server
        self.directory = directory
        self.http = http
        self.browser = browser
        self.trouble: list[str] = []
        """Errors in the console of a page, and requests to other hosts."""
        self._contexts: list[BrowserContext] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, browser: Browser, data: Path, **settings: Any) -> AsyncIterator[Self]:
        given: dict[str, Any] = {"data": data, "port": 0, "seed": _seed(data), "page": True, "drain": 0.1, **settings}
        async with Server(Settings(**given)) as server, aiohttp.ClientSession() as http:
            place = cls(server, await server.directory(), http, browser)
            try:
                yield place
            finally:
                for context in place._contexts:
                    await context.close()

    # --- programs ---

    @property
    def origin(self) -> str:
        return self.server.api_url.removesuffix("/api/")

    async def operate(self, operation: str, /, **arguments: Any) -> Answer:
        """Carry out an operation of the control API."""
        control = self.directory.control
        assert control is not None
        headers = {"Authorization": f"Bearer {control.secret}"}
        async with self.http.post(control.url + operation, json=arguments, headers=headers) as response:
            answer: Answer = await response.json()
            assert response.status == 200, answer
            return answer

    async def desk(self, method: str, /, **arguments: Any) -> Answer:
        """Call a method as the bot of the app."""
        return await self._call(self.directory.apps["desk"]["bot_token"], method, arguments)

    async def _call(self, token: str | None, method: str, arguments: dict[str, Any]) -> Answer:
        form = {
            name: json.dumps(value) if isinstance(value, dict | list) else str(value)
            for name, value in arguments.items()
        }
        headers = {"Authorization": f"Bearer {token}"}
        async with self.http.post(self.server.api_url + method, data=form, headers=headers) as response:
            answer: Answer = await response.json()
            assert answer["ok"], answer
            return answer

    @asynccontextmanager
    async def app(self, react: Callable[[str, Answer], Awaitable[Answer | None]]) -> AsyncIterator[None]:
        """Answer as the app: ``react`` gets type and payload of an envelope, and returns what goes with its ack."""
        opened = await self._call(self.directory.apps["desk"]["app_token"], "apps.connections.open", {})
        async with self.http.ws_connect(opened["url"], compress=0) as socket:
            assert json.loads((await socket.receive(PATIENCE)).data)["type"] == "hello"

            async def answer() -> None:
                async for message in socket:
                    envelope = json.loads(message.data)
                    if "envelope_id" in envelope:
                        payload = await react(envelope["type"], envelope["payload"])
                        ack = {"envelope_id": envelope["envelope_id"], **({"payload": payload} if payload else {})}
                        await socket.send_str(json.dumps(ack))

            task = asyncio.create_task(answer())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def served(self, app: str) -> None:
        """Wait until an app gets its events over HTTP: its URL is verified first."""
        id_of = {each["name"]: each["id"] for each in (await self.operate("app.list"))["apps"]}
        state = ""
        while state != "served":
            found = (await self.operate("connections"))["apps"]
            state = next(each["state"] for each in found if each["app"] == id_of[app])

    # --- people ---

    async def link(self) -> str:
        """The present link to the page."""
        link = (await self.server.directory()).page
        assert link is not None
        return link

    async def window(self, **options: Any) -> BrowserContext:
        """Open a window of its own, with no session; what goes wrong in its pages is kept."""
        context = await self.browser.new_context(**options)
        context.on("page", self._watch)
        self._contexts.append(context)
        return context

    async def look(self, *, at: str = "", **options: Any) -> Page:
        """Open the page by its link, and wait until it shows a conversation; ``at`` goes behind the address."""
        page = await (await self.window(**options)).new_page()
        await page.goto(await self.link())
        await expect(page.get_by_role("textbox", name="Message")).to_be_visible()
        if at:
            await page.goto(f"{self.origin}/_page/#/{at}")
        return page

    def _watch(self, page: Page) -> None:
        page.on("console", lambda said: said.type in ("error", "warning") and self.trouble.append(said.text))
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("request", lambda request: self._check(request.url))

    def _check(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.origin).netloc:
            self.trouble.append(f"a request to another host: {url}")


@asynccontextmanager
async def receiver(status: Callable[[Answer], Awaitable[int]]) -> AsyncIterator[str]:
    """Serve the request URL of an app, which answers the challenge; ``status`` is what it answers to an event."""

    async def handle(request: web.Request) -> web.Response:
        body = await request.json()
        if "challenge" in body:
            return web.json_response({"challenge": body["challenge"]})
        return web.Response(status=await status(body))

    application = web.Application()
    application.router.add_post("/slack/events", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    finally:
        await runner.cleanup()


async def until(page: Page, condition: str) -> None:
    """Wait until an expression of JavaScript, or its promise, is true. Playwright's own wait needs ``eval``, which the
    policy of the page forbids."""
    wait = f"async () => {{ while (!(await ({condition}))) await new Promise((done) => setTimeout(done, 20)); }}"
    await asyncio.wait_for(page.evaluate(wait), PATIENCE)


def _seed(data: Path) -> Path:
    """Make the data directory and the seed file beside it; return the file."""
    data.mkdir(mode=0o700)
    seed = data.with_suffix(".yaml")
    seed.write_text(SEED)
    return seed
