"""Kill -9 at any moment: what was acked is there after the restart, in order, and nothing is half-written."""

import asyncio
import random
import sqlite3
from contextlib import closing

import aiohttp
import pytest
from stores import rows_of

from history import Checker, Log
from people import read_log
from process import Open, Served
from tautwire.server.store.engines import open_engine
from writers import SEED, Promise, Promises, open_channel, read_history, writers


async def rounds(serve: Open, seed: int, *, count: int) -> None:
    """Write, kill, start and look, ``count`` times."""
    chance = random.Random(seed)
    served = await serve(seed=SEED)
    everything: list[Promises] = []
    newest = ""
    timeout = aiohttp.ClientTimeout(total=60)
    for number in range(count):
        async with aiohttp.ClientSession(timeout=timeout) as http:
            promises = Promises(await open_channel(served, http, f"round-{number}"))
            everything.append(promises)
            tasks = writers(served, http, promises, f"{seed} {number}")
            enough = chance.randrange(20, 400)
            while len(promises.history.claims) < enough:
                assert not any(task.done() for task in tasks), "a writer ended before the server did"
                await asyncio.sleep(0.001)  # the kill is to come at no particular moment
            await served.kill()
            await asyncio.wait_for(asyncio.gather(*tasks), 60)
        await served.start()
        async with aiohttp.ClientSession(timeout=timeout) as http:
            assert promises.wrong(await read_history(served, http, promises.channel)) == []
        assert min(promises.messages) > newest, "timestamps grow across a crash"
        newest = max(promises.messages)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        for promises in everything:
            assert promises.wrong(await read_history(served, http, promises.channel)) == []
    assert await served.stop() == 0
    assert "Traceback" not in served.log
    await check_files(served, everything)


async def check_files(served: Served, everything: list[Promises]) -> None:
    """The database is whole; the log has no holes, ends where the workspace says, and tells of every change."""
    if served.database is None:
        with closing(sqlite3.connect(served.data / "tautwire.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with closing(open_engine(served.data, served.database)) as engine:
        ((count, first, head),) = rows_of(engine, "SELECT count(*), min(position), max(position) FROM log")
        assert count == head - first + 1
        assert rows_of(engine, "SELECT head FROM workspace") == [(head,)]
        stored = {(channel, ts) for channel, ts in rows_of(engine, "SELECT channel, ts FROM message")}
    lines = await read_log(served.data, served.database)
    log = Log(lines, ())
    posted = {place[2:] for place in log.places if place[:2] == ("message", "")}
    deleted = {place[1:] for place in log.places if place[0] == "deleted"}
    assert stored == posted - deleted, "each message has its event, and each event its message"
    for promises in everything:
        assert Checker(promises.history, lines).wrong == []


@pytest.mark.timeout(180)
async def test_what_was_acked_survives_kill_9(serve: Open, seed: int) -> None:
    await rounds(serve, seed, count=4)


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_what_was_acked_survives_many_kills(serve: Open, seed: int) -> None:
    await rounds(serve, seed, count=60)


def test_promises_find_what_is_wrong() -> None:
    """The check is awake: each kind of loss is told."""
    promises = Promises("C1")
    kept, edited, gone = ({"ts": f"{n}.0", "text": text} for n, text in enumerate(("kept", "new", "gone"), start=1))
    for ts, text in (("1.0", "kept"), ("2.0", "new"), ("3.0", "gone")):
        promises.messages[ts] = Promise({text})
    promises.messages["3.0"].is_gone = True
    promises.messages["1.0"].reactions["tada", "U1"] = True
    kept["reactions"] = [{"name": "tada", "users": ["U1"], "count": 1}]

    assert promises.wrong([edited, kept]) == []
    for found, complaint in (
        ([kept], "acked and lost"),
        ([kept, edited], "not in order"),
        ([gone, edited, kept], "deleted and there again"),
        ([edited | {"text": "old"}, kept], "says 'old'"),
        ([edited, kept | {"reactions": []}], "reactions acked and lost"),
        ([edited | {"reactions": kept["reactions"]}, kept], "not asked for"),
        ([{"ts": "4.0", "text": "a ghost"}, edited, kept], "refused or never sent"),
    ):
        (told,) = promises.wrong(found)
        assert complaint in told
