"""Workspaces that are made over the control API: how long each takes, and what 200 in one process cost.

The first table has creations, resets and deletions one after the other. The second has 200 at once, 20 requests in
progress: each is created, used (RTM connection, a post that it receives, history) and deleted. Meanwhile a caller asks
for ``api.test``, one call after the other: the slowest answer says how long anything held the loop. Memory, threads,
files and CPU time are those of the server process.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from bench.process import cpu_seconds, rss, spawn
from bench.report import Cell, report

COUNT = 200
AT_ONCE = 20
IDLE = 5.0
"""Seconds in which the idle server is watched."""


class Host:
    """The operations on workspaces of a running server."""

    def __init__(self, directory: dict[str, Any], pid: int, http: aiohttp.ClientSession) -> None:
        self.api_url, self.pid, self._http = directory["api_url"], pid, http
        self._url, self._secret = directory["host"]["url"], directory["host"]["secret"]
        self.slowest = 0.0

    async def do(self, operation: str, **arguments: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._secret}"}
        async with self._http.post(f"{self._url}workspaces.{operation}", json=arguments, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            if response.status != 200:
                raise RuntimeError(f"{operation} failed: {answer}")
            return answer

    async def call(self, token: str, method: str, **arguments: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        async with self._http.post(self.api_url + method, data=arguments, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def use(self, made: dict[str, Any]) -> None:
        alice, bob = (made["users"][name]["token"] for name in ("alice", "bob"))
        grant = await self.call(alice, "rtm.connect")
        async with self._http.ws_connect(grant["url"]) as socket:
            await socket.receive_json()
            await self.call(bob, "chat.postMessage", channel=made["channels"]["general"], text=made["api_url"])
            await socket.receive_json()
            await self.call(alice, "conversations.history", channel=made["channels"]["general"])

    async def watch(self) -> None:
        """Note the slowest answer to a call that needs nothing."""
        while True:
            start = time.monotonic()
            await self.call("", "api.test")
            self.slowest = max(self.slowest, time.monotonic() - start)
            await asyncio.sleep(0.002)


async def timed(step: Callable[[], Awaitable[Any]], times: list[float]) -> Any:
    start = time.monotonic()
    answer = await step()
    times.append((time.monotonic() - start) * 1_000)
    return answer


def row(title: str, times: list[float], cpu: float) -> dict[str, Cell]:
    ordered = sorted(times)
    return {
        "step": title,
        "count": len(ordered),
        "p50 ms": ordered[len(ordered) // 2],
        "p99 ms": ordered[int(len(ordered) * 0.99)],
        "slowest ms": ordered[-1],
        "ms CPU": cpu / len(ordered) * 1_000,
    }


async def one_by_one(host: Host, *, ephemeral: bool) -> list[dict[str, Cell]]:
    kind = "not kept" if ephemeral else "kept"
    rows = []

    async def run(title: str, steps: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
        times: list[float] = []
        start = cpu_seconds(host.pid)
        answers = [await timed(step, times) for step in steps]
        rows.append(row(f"{title}, {kind}", times, cpu_seconds(host.pid) - start))
        return answers

    made = await run("create", [partial(host.do, "create", ephemeral=ephemeral)] * (COUNT // 2))
    for step in ("reset", "delete"):
        await run(step, [partial(host.do, step, workspace=each["workspace"]["id"]) for each in made])
    return rows


def costs(host: Host, title: str, seconds: float, before: int) -> dict[str, Cell]:
    process = Path(f"/proc/{host.pid}")
    slowest, host.slowest = host.slowest, 0.0
    return {
        "after": title,
        "seconds": seconds,
        "slowest other answer ms": slowest * 1_000,
        "MiB RSS": rss(host.pid) / 2**20,
        "KiB RSS/workspace": (rss(host.pid) - before) / COUNT / 1024,
        "threads": len(list((process / "task").iterdir())),
        "files": len(list((process / "fd").iterdir())),
    }


async def all_at_once(host: Host) -> tuple[list[dict[str, Cell]], float]:
    places = asyncio.Semaphore(AT_ONCE)
    made: list[dict[str, Any]] = []
    before = rss(host.pid)
    watch = asyncio.create_task(host.watch())

    async def in_turn(step: Awaitable[Any]) -> Any:
        async with places:
            return await step

    async def run(title: str, steps: list[Awaitable[Any]]) -> list[Any]:
        start = time.monotonic()
        answers = await asyncio.gather(*(in_turn(step) for step in steps))
        rows.append(costs(host, title, time.monotonic() - start, before))
        return answers

    rows = [costs(host, "start", 0.0, before)]
    made = await run("creation", [host.do("create", ephemeral=True) for _ in range(COUNT)])
    watch.cancel()
    start = cpu_seconds(host.pid)
    await asyncio.sleep(IDLE)
    idle = (cpu_seconds(host.pid) - start) / IDLE
    watch = asyncio.create_task(host.watch())
    await run("use", [host.use(each) for each in made])
    await run("deletion", [host.do("delete", workspace=each["workspace"]["id"]) for each in made])
    watch.cancel()
    return rows, idle


async def measure(directory: dict[str, Any], pid: int) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        host = Host(directory, pid, http)
        await host.do("delete", workspace=(await host.do("create"))["workspace"]["id"])
        steps = [*await one_by_one(host, ephemeral=False), *await one_by_one(host, ephemeral=True)]
        rows, idle = await all_at_once(host)
        again, _ = await all_at_once(host)
        rows += [{**each, "after": f"{each['after']}, again"} for each in again[1:]]
    load = os.getloadavg()[0]
    report("sandboxes", "Workspaces over the control API, one after the other", steps, load=load)
    report("sandboxes_at_once", f"{COUNT} workspaces at once", rows, idle_share_of_a_core=idle)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="tautwire-bench-") as data:
        command = [
            sys.executable, "-m", "tautwire", "serve", "--port", "0", "--data", data, "--json",
            "--rate-limits", "off", "--log-level", "warning",
        ]  # fmt: skip
        process = spawn(command)
        try:
            assert process.stdout is not None
            asyncio.run(measure(json.loads(process.stdout.readline()), process.pid))
        finally:
            process.terminate()
            process.wait(30)
