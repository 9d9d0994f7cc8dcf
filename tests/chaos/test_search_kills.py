"""Kill -9 while messages are posted, changed and deleted: the search finds what the channel has, and nothing else."""

import asyncio
import contextlib
import sqlite3
from contextlib import closing

import aiohttp
import pytest

from process import Open, Served
from writers import SEED, open_channel, read_history

KILLS = 3
WRITERS = 4
ANSWERS = 60
"""Changes that are answered before a kill, with others under way."""


async def write(
    served: Served, http: aiohttp.ClientSession, channel: str, name: str, answered: asyncio.Semaphore
) -> None:
    """Post messages with a word of their own, change one in three, and delete one in three."""
    number = 0
    while True:
        number += 1
        posted = await served.call(http, "alice", "chat.postMessage", channel=channel, text=f"needle {name}x{number}")
        if number % 3 == 1:
            await served.call(
                http, "alice", "chat.update", channel=channel, ts=posted["ts"], text=f"needle {name}y{number}"
            )
        if number % 3 == 2:
            await served.call(http, "alice", "chat.delete", channel=channel, ts=posted["ts"])
        answered.release()


async def search(served: Served, http: aiohttp.ClientSession, query: str) -> list[str]:
    """Return the ts of all matches."""
    found: list[str] = []
    cursor = "*"
    while cursor:
        answer = await served.call(http, "alice", "search.messages", query=query, count=100, cursor=cursor)
        found += [match["ts"] for match in answer["messages"]["matches"]]
        cursor = answer["response_metadata"]["next_cursor"]
    return found


@pytest.mark.timeout(180)
async def test_the_search_finds_what_the_channel_has_after_kill_9(serve: Open) -> None:
    served = await serve(seed=SEED)
    async with aiohttp.ClientSession() as http:
        channel = await open_channel(served, http, "searched")
    for kill in range(KILLS):
        answered = asyncio.Semaphore(0)
        async with aiohttp.ClientSession() as http:
            writers = [
                asyncio.create_task(write(served, http, channel, f"k{kill}w{number}", answered))
                for number in range(WRITERS)
            ]
            for _ in range(ANSWERS):
                await answered.acquire()
            await served.kill()
            for writer in writers:
                with contextlib.suppress(aiohttp.ClientError):
                    await writer
        await served.start()

    async with aiohttp.ClientSession() as http:
        history = [message for message in await read_history(served, http, channel) if "subtype" not in message]
        assert len(history) >= KILLS * ANSWERS / 2
        assert sorted(await search(served, http, f"needle in:{channel}")) == sorted(each["ts"] for each in history)
        for message in history[:: len(history) // 20]:
            word = message["text"].split()[1]
            assert await search(served, http, word) == [message["ts"]]
    assert await served.stop() == 0
    assert "Traceback" not in served.log
    if served.database is None:
        with closing(sqlite3.connect(served.data / "tautwire.db")) as connection:
            connection.execute("INSERT INTO search_index (search_index) VALUES ('integrity-check')")
