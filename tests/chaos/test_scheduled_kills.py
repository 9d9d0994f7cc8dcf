"""Kill -9 while scheduled messages are being posted: each is posted, and none twice."""

import asyncio
import time

import aiohttp
import pytest

from process import Open, Served
from writers import SEED, open_channel, read_history

CHANNELS = 8
EACH = 25
KILLS = 3


async def texts(served: Served, http: aiohttp.ClientSession, channels: list[str]) -> list[str]:
    """Return the texts of all messages of people in the channels."""
    histories = [await read_history(served, http, channel) for channel in channels]
    return [message["text"] for history in histories for message in history if "subtype" not in message]


@pytest.mark.timeout(180)
async def test_scheduled_messages_are_posted_once_across_kill_9(serve: Open) -> None:
    served = await serve(seed=SEED)
    async with aiohttp.ClientSession() as http:
        channels = [await open_channel(served, http, f"room-{number}") for number in range(CHANNELS)]
        wanted = {f"{channel} {number}" for channel in channels for number in range(EACH)}
        due = int(time.time()) + 12
        for channel in channels:
            for number in range(EACH):
                given = {"channel": channel, "text": f"{channel} {number}", "post_at": due + number % (KILLS + 1)}
                answer = await served.call(http, "alice", "chat.scheduleMessage", **given)
                assert answer["ok"], answer

    seen = 0
    for _ in range(KILLS):
        async with aiohttp.ClientSession() as http, asyncio.timeout(60):
            while len(await texts(served, http, channels)) <= seen < len(wanted):  # noqa: ASYNC110
                await asyncio.sleep(0.001)  # the server posts on its own
        await served.kill()
        await served.start()
        async with aiohttp.ClientSession() as http:
            seen = len(await texts(served, http, channels))

    async with aiohttp.ClientSession() as http, asyncio.timeout(60):
        while not wanted.issubset(found := await texts(served, http, channels)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert sorted(found) == sorted(wanted), "one was posted twice"
        left = await served.call(http, "alice", "chat.scheduledMessages.list")
        assert left["scheduled_messages"] == []
    assert await served.stop() == 0
    assert "Traceback" not in served.log
