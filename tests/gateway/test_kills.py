"""Bad days, drawn at random: the gateway is killed, the upstream restarts, the line is cut, acks are lost, and the bot
goes away.

Afterwards the messages of the upstream are compared with the log of the gateway and with what the bot has seen: none is
missing, none is there twice, and none is out of order. No ack was given for what the upstream does not have.
``GATEWAY_SEEDS`` is the number of runs, ``GATEWAY_SEED`` repeats one.
"""

import asyncio
import json
import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crooked import Crooked
from gateway_process import GatewayProcess
from scene import PATIENCE, Scene, TurnedClock
from stage import BOT, SEED

SEEDS = (
    [int(os.environ["GATEWAY_SEED"])]
    if "GATEWAY_SEED" in os.environ
    else list(range(int(os.environ.get("GATEWAY_SEEDS", "3"))))
)
STEPS = 40


class Bot:
    """A bot that comes back after every loss and resumes where it was."""

    def __init__(self, gateway: GatewayProcess, http: aiohttp.ClientSession) -> None:
        self._gateway = gateway
        self._http = http
        self._position = ""
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self.seen: list[tuple[str, str]] = []
        """Channel and ts of messages, copies after a return left out."""
        self.is_there = asyncio.Event()
        self.outcomes: list[str] = []
        """How its connections began."""
        self.texts: dict[int, str] = {}
        self.acked: dict[str, str] = {}
        """Texts by the ts of their ack."""

    def come(self) -> None:
        self._task = asyncio.create_task(self._stay())

    @property
    def failure(self) -> BaseException | None:
        return self._task.exception() if self._task is not None and self._task.done() else None

    async def leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._ws is not None:
            await self._ws.close()
            self._ws = None

    async def say(self, channel: str, text: str) -> None:
        if self._ws is not None and not self._ws.closed:
            self._number += 1
            self.texts[self._number] = text
            try:
                await self._ws.send_json({"type": "message", "id": self._number, "channel": channel, "text": text})
            except ConnectionError:
                return

    async def _stay(self) -> None:
        while True:
            try:
                await self._connect()
            except (aiohttp.ClientError, OSError, TimeoutError, KeyError):
                await asyncio.sleep(0.02)

    async def _connect(self) -> None:
        headers = {"Authorization": f"Bearer {self._gateway.token}"}
        url = self._gateway.api_url + "rtm.connect"
        async with self._http.post(url, data={"resume": self._position}, headers=headers) as response:
            answer = json.loads(await response.read())
        self.outcomes.append(answer["resume"])
        self._position = self._position or answer["position"]
        known = set(self.seen)
        in_this_one: set[tuple[str, str]] = set()
        self._ws = ws = await self._http.ws_connect(answer["url"], max_msg_size=0)
        async for message in ws:
            frame = json.loads(message.data)
            if frame.get("type") == "hello":
                self.is_there.set()
            elif frame.get("type") == "position":
                self._position = frame["position"]
            elif frame.get("type") == "message" and "reply_to" not in frame and "subtype" not in frame:
                message_id = (frame["channel"], frame["ts"])
                assert message_id not in in_this_one, f"{message_id} came twice on one connection"
                in_this_one.add(message_id)
                if message_id not in known:
                    self.seen.append(message_id)
            elif frame.get("ok") and "reply_to" in frame:
                self.acked[frame["ts"]] = self.texts[frame["reply_to"]]


def logged(data: Path, channel: str) -> list[str]:
    """Return the ts of the messages in the log of the gateway, in its order."""
    with closing(sqlite3.connect(data / "tautwire.db")) as database:
        rows = database.execute("SELECT payload FROM log WHERE kind = 'event' ORDER BY position").fetchall()
    frames: list[dict[str, Any]] = [json.loads(row[0]) for row in rows]
    return [
        frame["ts"]
        for frame in frames
        if frame["type"] == "message" and "subtype" not in frame and frame["channel"] == channel
    ]


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_repeated_or_out_of_order(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    async with (
        Scene.opened(tmp_path / "upstream", TurnedClock(), seed=SEED) as upstream,
        Crooked(upstream.server.api_url) as line,
        aiohttp.ClientSession() as http,
    ):
        gateway = GatewayProcess(tmp_path, line.api_url, upstream.directory.apps[BOT])
        await gateway.start()
        bot = Bot(gateway, http)
        bot.come()
        await bot.is_there.wait()
        line.drops_ack = lambda envelope: dice.random() < 0.2
        line.repeats = lambda envelope: dice.random() < 0.2
        is_here = True
        try:
            for step in range(STEPS):
                draw = dice.random()
                channel = dice.choice([upstream.general, upstream.ops])
                if draw < 0.55:
                    for number in range(dice.randrange(1, 6)):
                        await upstream.post("alice", channel, f"{step}.{number}")
                elif draw < 0.75:
                    await bot.say(channel, f"bot {step}")
                elif draw < 0.85:
                    await line.cut()
                elif draw < 0.90:
                    await gateway.end(signal.SIGKILL)
                    await gateway.start()
                elif draw < 0.93:
                    await upstream.server.stop()
                    await upstream.server.start()
                    line.point(upstream.server.api_url)
                else:
                    await (bot.leave() if is_here else asyncio.sleep(0))
                    if not is_here:
                        bot.come()
                    is_here = not is_here
            line.drops_ack = lambda envelope: False
            if not is_here:
                bot.come()
            await settled(upstream, gateway, bot)
            acked = dict(bot.acked)
            stored = await read(upstream)  # behind the acks: what is acknowledged is there
        finally:
            await bot.leave()
            await gateway.end()
    assert set(bot.outcomes[1:]) <= {"resumed"}, bot.outcomes
    for ts, text in acked.items():
        assert any(ts == each["ts"] and text == each["text"] for messages in stored.values() for each in messages)
    for messages in stored.values():
        own = [each["text"] for each in messages if each["text"].startswith("bot ")]
        assert len(own) == len(set(own)), "no message of the bot was sent twice"
    assert "Traceback" not in gateway.log, gateway.log
    for secret in upstream.directory.apps[BOT].values():
        assert not secret or secret not in gateway.log


async def read(upstream: Scene) -> dict[str, list[dict[str, Any]]]:
    """Return the messages of the upstream by channel."""
    stored = {}
    for channel in (upstream.general, upstream.ops):
        found = await upstream.history("alice", channel, limit=999)
        stored[channel] = [each for each in reversed(found) if "subtype" not in each]
    return stored


async def settled(upstream: Scene, gateway: GatewayProcess, bot: Bot) -> None:
    """Wait until log and bot have all that the upstream has, in its order.

    A message that the bot has said before may still come to the upstream meanwhile.
    """
    end = asyncio.get_running_loop().time() + PATIENCE
    while True:
        stored = await read(upstream)
        wanted = {channel: [each["ts"] for each in messages] for channel, messages in stored.items()}
        logs = {channel: logged(gateway.data, channel) for channel in wanted}
        if logs == wanted:
            break
        assert asyncio.get_running_loop().time() < end, (logs, wanted)
        await asyncio.sleep(0.05)
    alice = upstream.users["alice"]
    spoken = {
        (channel, each["ts"]) for channel, messages in stored.items() for each in messages if each["user"] == alice
    }
    end = asyncio.get_running_loop().time() + PATIENCE
    while not spoken <= set(bot.seen):
        assert not bot.failure, bot.failure
        missing = sorted(spoken.difference(bot.seen))
        assert asyncio.get_running_loop().time() < end, (missing, bot.outcomes)
        await asyncio.sleep(0.02)
    for channel, order in wanted.items():
        # The bot's own come again after a return: it has their acks.
        mine = [each for each in bot.seen if each[0] == channel and each in spoken]
        assert mine == [(channel, ts) for ts in order if (channel, ts) in spoken], "in the order of the channel"
