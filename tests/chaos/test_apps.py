"""Kill -9 under load with an app connected: every event reaches the app, and repeats carry the first id."""

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import pytest

from process import Open, Served

SEED = """
users: [{name: alice}, {name: bob}]
apps: [{name: desk, socket_mode: true, bot_events: [message.channels, message.groups]}]
channels: [{name: general}, {name: ops, private: true}]
"""


class App:
    """An app that acknowledges, dials anew after every end, and remembers everything."""

    def __init__(self, served: Served, http: aiohttp.ClientSession) -> None:
        self.ids: dict[str, set[str]] = {}
        """The ids with which each message came, by channel and ts."""
        self.order: dict[str, list[str]] = {}
        """The timestamps by channel, in the order of their first arrival."""
        self.repeats = 0
        self._served = served
        self._http = http

    async def run(self) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError):
                await self._serve()
            await asyncio.sleep(0.02)  # the server is being started

    async def _serve(self) -> None:
        token = str(self._served.facts["apps"]["desk"]["app_token"])
        url = f"{self._served.api_url}apps.connections.open"
        async with self._http.post(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            grant = await answer.json()
        async with self._http.ws_connect(grant["url"]) as socket:
            async for message in socket:
                await self._take(json.loads(message.data), socket)

    async def _take(self, frame: dict[str, Any], socket: aiohttp.ClientWebSocketResponse) -> None:
        if frame["type"] != "events_api":
            return
        payload = frame["payload"]
        event = payload["event"]
        known = self.ids.setdefault(f"{event['channel']} {event['ts']}", set())
        if known:
            self.repeats += 1
        else:
            self.order.setdefault(event["channel"], []).append(event["ts"])
        known.add(f"{payload['event_id']} {frame['envelope_id']}")
        await socket.send_str(json.dumps({"envelope_id": frame["envelope_id"]}))


async def write(served: Served, http: aiohttp.ClientSession, who: str, posted: list[str]) -> None:
    """Post until the server is gone; note what was answered."""
    number = 0
    while True:
        channel = served.channel(("general", "ops")[number % 2])
        number += 1
        try:
            answer = await served.call(http, who, "chat.postMessage", channel=channel, text=f"{who} {number}")
        except (aiohttp.ClientError, OSError, ValueError):
            return
        assert answer["ok"], answer
        posted.append(f"{channel} {answer['ts']}")


async def rounds(serve: Open, count: int) -> None:
    served = await serve(seed=SEED)
    posted: list[str] = []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        app = App(served, http)
        running = asyncio.create_task(app.run())
        for number in range(count):
            writers = [
                asyncio.create_task(write(served, http, who, posted)) for who in ("alice", "alice", "bob", "bob")
            ]
            enough = len(posted) + 50 + 40 * number
            while len(posted) < enough:
                assert not any(task.done() for task in writers), "a writer ended before the server did"
                await asyncio.sleep(0.001)
            await served.kill()
            await asyncio.gather(*writers)
            await served.start()
        async with asyncio.timeout(60):
            while not app.ids.keys() >= set(posted):
                assert not running.done(), running
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert {len(ids) for ids in app.ids.values()} == {1}, "an event has the same ids each time"
    for order in app.order.values():
        assert order == sorted(order), "the order within a channel"
    print(f"{len(posted)} posts, {app.repeats} events came more than once")
    assert await served.stop() == 0
    assert "Traceback" not in served.log


@pytest.mark.timeout(180)
async def test_every_event_reaches_an_app_across_kill_9(serve: Open) -> None:
    await rounds(serve, 4)


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_every_event_reaches_an_app_across_many_kills(serve: Open) -> None:
    await rounds(serve, 30)
