"""A full disk, a process that is stopped and goes on, and clocks that jump."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from disks import fill, small_disk

from history import Checker, Log
from people import read_log
from process import Open, Served, eventually
from tautwire.server.app import Server
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from writers import SEED, Promises, read_history, writers

MIB = 1_048_576


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    with small_disk(tmp_path / "disk", 16) as place:
        yield place


async def readiness(served: Served, http: aiohttp.ClientSession, wanted: int) -> None:
    """Wait until /readyz has a status; it follows each fault within two seconds."""
    async with asyncio.timeout(5):
        while True:
            async with http.get(served.api_url.removesuffix("api/") + "readyz") as answer:
                if answer.status == wanted:
                    return
            await asyncio.sleep(0.05)


async def full_for(seconds: float, served: Served, place: Path, *, probe: bool) -> None:
    """Write to a disk that is full for a while; check every answer, and what was stored and told to others."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        promises = Promises(served.channel("general"))
        grant = await served.call(http, "carol", "rtm.connect")
        heard: list[dict[str, Any]] = []
        async with http.ws_connect(grant["url"], compress=0) as listener:
            listening = asyncio.create_task(listen(listener, heard))
            tasks = writers(served, http, promises, "full disk", count=2)
            await eventually(lambda: len(promises.messages) > 20, "nothing is stored")
            ballast = fill(place)
            await eventually(lambda: promises.refusals > 20, "nothing is refused")
            if probe:
                await readiness(served, http, 503)
            await asyncio.sleep(seconds)
            assert not any(task.done() for task in tasks), "a writer was not answered"
            ballast.unlink()
            before = len(promises.messages)
            await eventually(lambda: len(promises.messages) > before + 20, "it does not go on")
            if probe:
                await readiness(served, http, 200)
            await served.stop()
            await asyncio.wait_for(asyncio.gather(*tasks, listening), 30)
        told = {frame["ts"] for frame in heard if frame.get("type") == "message" and not frame.get("hidden")}
    await served.start()
    async with aiohttp.ClientSession() as http:
        found = await read_history(served, http, promises.channel)
    assert promises.wrong(found) == []
    deleted = {frame["deleted_ts"] for frame in heard if frame.get("subtype") == "message_deleted"}
    assert told - deleted <= {message["ts"] for message in found}, "delivered and not stored"
    assert await served.stop() == 0
    assert Checker(promises.history, await read_log(served.data, served.database)).wrong == []


async def listen(socket: aiohttp.ClientWebSocketResponse, heard: list[dict[str, Any]]) -> None:
    async for message in socket:
        heard.append(json.loads(message.data))  # noqa: PERF401 - it is looked at while it grows


@pytest.mark.only_on("sqlite")
async def test_a_full_disk_loses_nothing_and_promises_nothing(serve: Open, disk: Path) -> None:
    served = await serve(disk / "data", seed=SEED)
    await full_for(1.0, served, disk, probe=False)


@pytest.mark.only_on("sqlite")
async def test_a_full_disk_is_logged_about_once_a_second(serve: Open, disk: Path) -> None:
    served = await serve(disk / "data", seed=SEED)
    await full_for(2.0, served, disk, probe=False)
    lines = [line for line in served.log.splitlines() if line[:2] == "20"]
    assert 0 < len(lines) < 30
    assert len(served.log) < 64_000


@pytest.mark.only_on("sqlite")
async def test_a_full_disk_can_be_seen_from_outside(serve: Open, disk: Path) -> None:
    """/readyz says so while nothing can be written, and no longer."""
    served = await serve(disk / "data", seed=SEED)
    await full_for(0.5, served, disk, probe=True)


@pytest.mark.parametrize("seconds", [2.0, pytest.param(20.0, marks=pytest.mark.chaos)])
async def test_a_process_that_was_stopped_goes_on(seconds: float, serve: Open) -> None:
    """SIGSTOP and SIGCONT: connections live, what was sent meanwhile is answered, nothing is lost."""
    served = await serve(seed=SEED)
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        promises = Promises(served.channel("general"))
        tasks = writers(served, http, promises, "stopped", count=3)
        for _ in range(2):
            before = len(promises.messages)
            await eventually(lambda n=before: len(promises.messages) > n + 50, "nothing is stored")
            served.freeze()
            await asyncio.sleep(seconds / 2)
            served.thaw()
        before = len(promises.messages)
        await eventually(lambda: len(promises.messages) > before + 50, "it does not go on")
        assert not any(task.done() for task in tasks), "a connection was lost"
        await served.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
    await served.start()
    async with aiohttp.ClientSession(timeout=timeout) as http:
        assert promises.wrong(await read_history(served, http, promises.channel)) == []
    assert await served.stop() == 0
    assert promises.refusals == 0
    assert Checker(promises.history, await read_log(served.data, served.database)).wrong == []


class JumpingClock(Clock):
    """The clock of this machine with steps."""

    def __init__(self) -> None:
        self.step = 0.0

    def micros(self) -> int:
        return super().micros() + int(self.step * 1_000_000)

    def seconds(self) -> int:
        return self.micros() // 1_000_000


DAY = 86_400.0


@pytest.mark.parametrize("turns", [6, pytest.param(60, marks=pytest.mark.chaos)])
async def test_time_goes_on_in_one_direction_whatever_the_clock_does(turns: int, seed: int, tmp_path: Path) -> None:
    """Steps of hours and years, with and without a restart: every ts and event_ts is later than the one before."""
    chance, clock = random.Random(seed), JumpingClock()
    told: list[str] = []
    data = tmp_path / "data"
    file = tmp_path / "seed.yaml"
    file.write_text(SEED)
    while turns > 0:
        settings = Settings(data=data, port=0, seed=file, rate_limits=False, drain=0.01)
        async with Server(settings, clock=clock) as server, aiohttp.ClientSession() as http:
            directory = await server.directory()
            channel = directory.channels["general"]

            async def call(
                method: str,
                http: aiohttp.ClientSession = http,
                url: str = server.api_url,
                token: str = directory.users["alice"]["token"] or "",
                **arguments: str,
            ) -> dict[str, Any]:
                headers = {"Authorization": f"Bearer {token}"}
                async with http.post(url + method, data=arguments, headers=headers) as answer:
                    found: dict[str, Any] = await answer.json()
                assert found["ok"], (method, found)
                return found

            grant = await call("rtm.connect")
            async with http.ws_connect(grant["url"], compress=0) as socket:
                assert (await socket.receive_json(timeout=30))["type"] == "hello"
                for _ in range(chance.randrange(1, 4)):
                    turns -= 1
                    clock.step += chance.choice([-2 * DAY, -7_200.0, -1.0, 0.5, 7_200.0, 400 * DAY, -390 * DAY])
                    posted = await call("chat.postMessage", channel=channel, text="x")
                    edited = await call("chat.update", channel=channel, ts=posted["ts"], text="y")
                    await call("reactions.add", channel=channel, timestamp=posted["ts"], name="tada")
                    told += [posted["ts"], edited["message"]["edited"]["ts"]]
                    kinds = [(await socket.receive_json(timeout=30))["type"] for _ in range(3)]
                    assert kinds == ["message", "message", "reaction_added"]
                await socket.send_json({"type": "message", "id": 1, "channel": channel, "text": "z"})
                ack = await socket.receive_json(timeout=30)
                assert ack["ok"], ack
                told.append(ack["ts"])
    assert told == sorted(set(told))
    log = Log(await read_log(data), ())
    assert log.wrong == []
    stamps = [event["event_ts"] for event in log.events.values() if event["event_ts"] != event.get("ts")]
    assert stamps == sorted(set(stamps))
