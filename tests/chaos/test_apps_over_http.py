"""Kill -9 under load with an app behind a request URL: every event reaches it, and repeats carry the first id."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from process import Open, Served

SEED = """
users: [{{name: alice}}]
apps: [{{name: desk, request_url: "{url}", bot_events: [message.channels]}}]
channels: [{{name: general}}]
"""


class App:
    """A web server that answers the challenge, takes every event, and remembers its ids."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        """The ids with which each message came, by its ts."""
        self._runner = web.AppRunner(self._application(), shutdown_timeout=0.1)

    async def start(self) -> str:
        """Listen; return the URL."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/events"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application()
        application.router.add_post("/events", self._take)
        return application

    async def _take(self, request: web.Request) -> web.Response:
        payload = await request.json()
        if payload["type"] == "url_verification":
            return web.Response(text=payload["challenge"])
        self.ids.setdefault(payload["event"]["ts"], []).append(payload["event_id"])
        return web.Response()


async def write(served: Served, http: aiohttp.ClientSession, posted: list[str]) -> None:
    """Post until the server is gone; note what was answered."""
    while True:
        try:
            answer = await served.call(
                http, "alice", "chat.postMessage", channel=served.channel("general"), text=f"number {len(posted)}"
            )
        except (aiohttp.ClientError, OSError, ValueError):
            return
        assert answer["ok"], answer
        posted.append(answer["ts"])


@pytest.mark.timeout(180)
async def test_every_event_reaches_an_app_behind_a_url_across_kill_9(serve: Open) -> None:
    app = App()
    served = await serve(seed=SEED.format(url=await app.start()))
    posted: list[str] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        for _ in range(4):
            writers = [asyncio.create_task(write(served, http, posted)) for _ in range(3)]
            enough, delivered = len(posted) + 60, len(app.ids) + 30
            while len(posted) < enough or len(app.ids) < delivered:  # the kill comes while events are sent
                assert not any(task.done() for task in writers), "a writer ended before the server did"
                await asyncio.sleep(0.001)
            await served.kill()
            await asyncio.gather(*writers)
            await served.start()
        async with asyncio.timeout(60):
            while not app.ids.keys() >= set(posted):  # noqa: ASYNC110 - nothing sets an event
                await asyncio.sleep(0.01)
    repeats = sum(len(ids) - 1 for ids in app.ids.values())
    print(f"{len(posted)} posts, {repeats} events came more than once")
    assert {len(set(ids)) for ids in app.ids.values()} == {1}, "an event has the same id each time"
    assert await served.stop() == 0
    assert "Traceback" not in served.log
    await app.stop()
