"""What the gateway adds: the way of an event and of a message, native and through a gateway, at the same time.

Server and gateway are processes on this machine, with their logs on disk. A person posts at a steady pace in many
channels. A native RTM connection of the bot and ten at the gateway get each message; the time is from the frame of the
person to the event. Then the bot sends: the time is from its frame to the ack. Before all that the gateway is
weighed: idle, and with many connections of the bot.
"""

import asyncio
import json
import os
import sysconfig
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from bench.process import ALL_CORES, cpu_seconds, rss, spawn
from bench.report import Cell, report

CHANNELS = 100
PACE = 50
"""Messages a second."""
BOTS = 10
SECONDS = 10.0
SENDS = 100
CROWD = 200
"""Connections of the bot for the memory of one."""

TAUTWIRE = f"{sysconfig.get_path('scripts')}/tautwire"


class Process:
    """A command of ours that has printed its line of JSON."""

    def __init__(self, stack: ExitStack, *arguments: str, **variables: str) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("SLACK_", "TAUTWIRE_"))}
        self.process = spawn((TAUTWIRE, *arguments), cores=ALL_CORES, env={**kept, **variables})
        stack.callback(self.process.wait)
        stack.callback(self.process.terminate)
        if self.process.stdout is None:
            raise RuntimeError("the process has no output")
        stack.callback(self.process.stdout.close)
        self.about: dict[str, Any] = json.loads(self.process.stdout.readline())

    @property
    def api_url(self) -> str:
        return str(self.about["api_url"])


class Ear:
    """A connection that notes when each text came."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.came: dict[str, float] = {}
        self.acks: dict[int, float] = {}
        self.task = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        async for message in self.ws:
            now, frame = time.perf_counter(), json.loads(message.data)
            if "reply_to" in frame:
                self.acks[frame["reply_to"]] = now
            elif frame.get("type") == "message":
                self.came[frame["text"]] = now


def main(*, seconds: float = SECONDS, bots: int = BOTS, sends: int = SENDS, crowd: int = CROWD) -> None:
    with ExitStack() as stack:
        place = Path(stack.enter_context(TemporaryDirectory()))
        seed = place / "seed.yaml"
        channels = "".join(f"  - {{name: c{number}, members: [alice, desk]}}\n" for number in range(CHANNELS))
        seed.write_text(
            "team: {name: Acme, domain: acme}\nusers: [{name: alice}]\n"
            "apps: [{name: desk, socket_mode: true, bot_events: [message.channels]}]\n"
            f"channels:\n{channels}"
        )
        common = ("--json", "--port", "0", "--rate-limits", "off", "--log-level", "error")
        server = Process(stack, "serve", *common, "--data", str(place / "server"), "--seed", str(seed))
        app = server.about["apps"]["desk"]
        gateway = Process(
            stack, "gateway", "run", *common, "--pace", "off", "--data", str(place / "gateway"),
            SLACK_API_URL=server.api_url, SLACK_BOT_TOKEN=app["bot_token"], SLACK_APP_TOKEN=app["app_token"],
        )  # fmt: skip
        rows, facts = asyncio.run(_measure(server, gateway, seconds, bots, sends, crowd))
        facts["gateway_memory_mb"] = rss(gateway.process.pid) / 1_048_576
    report("gateway", "Native RTM and RTM through a gateway, milliseconds", rows, **facts)


async def _measure(
    server: Process, gateway: Process, seconds: float, bots: int, sends: int, crowd: int
) -> tuple[list[dict[str, Cell]], dict[str, Any]]:
    (bot,) = gateway.about["bots"].values()
    alice_token = server.about["users"]["alice"]["token"]
    places = list(server.about["channels"].values())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        idle = rss(gateway.process.pid)
        a_connection = await _weigh(http, gateway, bot["token"], crowd)
        alice = await connect(http, server.api_url, alice_token)
        native = await connect(http, server.api_url, server.about["apps"]["desk"]["bot_token"])
        others = [await connect(http, gateway.api_url, bot["token"]) for _ in range(bots)]
        used, posted = cpu_seconds(gateway.process.pid), {}
        for number in range(round(seconds * PACE)):
            text = f"message {number}"
            posted[text] = time.perf_counter()
            await _say(alice, number + 1, places[number % len(places)], text)
            await asyncio.sleep(1 / PACE)
        await _until(lambda: all(len(ear.came) >= len(posted) for ear in (native, *others)))
        cpu = (cpu_seconds(gateway.process.pid) - used) / len(posted)
        acks = {}
        for name, ear in (("native", native), ("gateway", others[0])):
            acks[name] = [await _ack(ear, number, places[number % len(places)]) for number in range(sends)]
        for ear in (alice, native, *others):
            await ear.ws.close()
            await ear.task
    added = [ear.came[text] - native.came[text] for ear in others for text in posted]
    rows = [
        _row("event, native", [native.came[text] - at for text, at in posted.items()]),
        _row("event, gateway", [ear.came[text] - at for ear in others for text, at in posted.items()]),
        _row("event, added by the gateway", added),
        _row("ack, native", acks["native"]),
        _row("ack, gateway", acks["gateway"]),
    ]
    facts = {"channels": len(places), "messages_a_second": PACE, "bots": bots, "gateway_cpu_ms_a_message": cpu * 1e3,
             "gateway_idle_memory_mb": idle / 1_048_576, "memory_kb_a_connection": a_connection / 1_024}  # fmt: skip
    return rows, facts


async def _weigh(http: aiohttp.ClientSession, gateway: Process, token: str, count: int) -> float:
    """Return the bytes that a connection takes, the first ones left out: they make room for what all share."""
    sizes, ears = [], []
    for _ in range(2):
        ears += [await connect(http, gateway.api_url, token) for _ in range(count // 2)]
        sizes.append(rss(gateway.process.pid))
    for ear in ears:
        await ear.ws.close()
        await ear.task
    return (sizes[1] - sizes[0]) / (count // 2)


async def connect(http: aiohttp.ClientSession, api_url: str, token: str) -> Ear:
    async with http.post(api_url + "rtm.connect", headers={"Authorization": f"Bearer {token}"}) as response:
        answer = json.loads(await response.read())
    ws = await http.ws_connect(answer["url"], compress=0, max_msg_size=0)
    await ws.receive()
    return Ear(ws)


async def _say(ear: Ear, number: int, channel: str, text: str) -> None:
    await ear.ws.send_str(json.dumps({"type": "message", "id": number, "channel": channel, "text": text}))


async def _ack(ear: Ear, number: int, channel: str) -> float:
    frame_id, at = 1_000_000 + number, time.perf_counter()
    await _say(ear, frame_id, channel, f"ack {number}")
    await _until(lambda: frame_id in ear.acks, pause=0.0005)
    return ear.acks[frame_id] - at


async def _until(condition: Any, *, pause: float = 0.01) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - nothing sets an event
            await asyncio.sleep(pause)


def _row(what: str, times: list[float]) -> dict[str, Cell]:
    ordered = sorted(times)
    return {
        "way": what,
        "p50": ordered[len(ordered) // 2] * 1e3,
        "p99": ordered[len(ordered) * 99 // 100] * 1e3,
        "count": len(ordered),
    }
