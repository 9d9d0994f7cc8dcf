"""Memory of a gateway: for one app and for ten, without programs and with ten connections.

Server and gateway are processes on this machine. Each row is a gateway of its own, started for it, whose bots have the
same ten channels. The memory is the resident one after all have connected and a message has gone to each.
"""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from bench.bench_gateway import Ear, Process, connect
from bench.process import rss
from bench.report import Cell, report

APPS = 10
CONNECTIONS = 10
CHANNELS = 10
PATIENCE = 60.0
"""Seconds in which a message comes to all."""


def main(*, apps: int = APPS, connections: int = CONNECTIONS) -> None:
    names = [f"app{number}" for number in range(apps)]
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory()))
        seed = place / "seed.yaml"
        members = ", ".join(["alice", *names])
        seed.write_text(
            "team: {name: Acme, domain: acme}\nusers: [{name: alice}]\napps:\n"
            + "".join(f"  - {{name: {name}, socket_mode: true, bot_events: [message.channels]}}\n" for name in names)
            + "channels:\n"
            + "".join(f"  - {{name: c{number}, members: [{members}]}}\n" for number in range(CHANNELS))
        )
        common = ("--json", "--port", "0", "--rate-limits", "off", "--log-level", "error")
        server = Process(stack, "serve", *common, "--data", str(place / "server"), "--seed", str(seed))
        rows: list[dict[str, Cell]] = []
        for number, (count, each) in enumerate(((1, 0), (1, connections), (apps, 0), (apps, connections))):
            file = place / f"gateway{number}.toml"
            file.write_text(_settings(server.about, names[:count], place / f"gateway{number}"))
            with ExitStack() as inner:
                gateway = Process(inner, "gateway", "run", *common, "--config", str(file))
                rows.append(asyncio.run(_measure(server, gateway, count, each)))
    report(
        "bots", "Memory of a gateway, MB", rows,
        mb_an_app=(_memory(rows[2]) - _memory(rows[0])) / max(1, apps - 1),
        kb_a_connection=(_memory(rows[1]) - _memory(rows[0])) / connections * 1_000,
    )  # fmt: skip


def _settings(about: dict[str, Any], names: list[str], data: Path) -> str:
    tables = "".join(
        f'[bots.{name}]\nbot_token = "{about["apps"][name]["bot_token"]}"\n'
        f'app_token = "{about["apps"][name]["app_token"]}"\n'
        for name in names
    )
    return f'upstream_url = "{about["api_url"]}"\npace = false\ndata = "{data}"\n{tables}'


async def _measure(server: Process, gateway: Process, apps: int, connections: int) -> dict[str, Cell]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        alice = await connect(http, server.api_url, server.about["users"]["alice"]["token"])
        ears = [
            await connect(http, gateway.api_url, bot["token"])
            for bot in gateway.about["bots"].values()
            for _ in range(connections)
        ]
        for number, channel in enumerate(server.about["channels"].values()):
            frame = {"type": "message", "id": number, "channel": channel, "text": f"message {number}"}
            await alice.ws.send_json(frame)
        await _heard(ears)
        memory = rss(gateway.process.pid) / 1_000_000
        threads = _threads(gateway.process.pid)
        for ear in (alice, *ears):
            await ear.ws.close()
            await ear.task
    return {"apps": apps, "connections": len(ears), "memory": memory, "threads": threads}


def _threads(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())


async def _heard(ears: list[Ear]) -> None:
    end = time.monotonic() + PATIENCE
    while not all(len(ear.came) >= CHANNELS for ear in ears):
        if time.monotonic() > end:
            raise RuntimeError("a message did not come to all connections")
        await asyncio.sleep(0.05)


def _memory(row: dict[str, Cell]) -> float:
    return float(row["memory"])
