"""Bad days of a gateway, drawn from a seed, and what has to be true at their end.

Between a gateway of its own process and a server of its own process is a crooked line. People post, edit, delete and
react at the server, bots talk at the gateway; meanwhile acks are lost, events come twice, calls are limited, slow or
lose their answers, connections are refreshed and cut, the line dies, and server and gateway are stopped and killed.

The logs of both ends are compared then: nothing is missing, nothing is there twice, nothing is out of order within a
channel, no ack was given for what the server does not have, and every message of a bot has an outcome.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp import web

from crooked import Crooked, limited
from forked import Forked
from gateway_process import GatewayProcess
from people import read_log
from process import Served
from returning import Returning, key_of

SEED: Final = """
team: {name: Acme, domain: acme}
users: [{name: alice}, {name: bob}]
channels:
  - {name: general, members: [alice, bob, desk]}
  - {name: ops, private: true, members: [alice, bob, desk]}
  - {name: den, members: [alice, bob]}
apps:
  - name: desk
    socket_mode: true
    bot_events: [message.channels, message.groups, reaction_added, reaction_removed, member_joined_channel,
                 member_left_channel, channel_left, pin_added, pin_removed]
"""
CHANNELS: Final = ("general", "ops")
KINDS: Final = frozenset({"message", "reaction_added", "reaction_removed", "pin_added", "pin_removed"})
"""The events that are compared: all that happens in the channels above."""
PATIENCE: Final = 120.0
FILLER: Final = "x" * 2_500


class ForkedServer(Served):
    """``tautwire serve`` started by a fork."""

    async def _launch(self, arguments: tuple[str, ...], log: Path) -> Forked:
        return Forked(arguments, os.environ, log)


class ForkedGateway(GatewayProcess):
    """``tautwire gateway run`` started by a fork."""

    async def _launch(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path, directory: Path | None
    ) -> Forked:
        assert directory is None, "a forked process stays in the directory of the tests"
        return Forked(arguments, environment, log)


class Day:
    """A server, a gateway in front of it, bots and people.

    Args:
        seed: what is done follows from it; the moments at which the machine gets to it do not.
    """

    def __init__(self, seed: int, place: Path) -> None:
        self.dice = random.Random(seed)
        self._chance = random.Random(f"line {seed}")
        self._place = place
        self._served = ForkedServer(place / "upstream", seed=SEED, scratch=place)
        self._line: Crooked
        self._gateway: ForkedGateway
        self._http: aiohttp.ClientSession
        self._bots: list[Returning] = []
        self._bursts: set[asyncio.Task[None]] = set()
        self._posted: list[tuple[str, str]] = []  # channel and ts of messages of people
        self._numbers = 0
        self._weather: dict[str, float] = {}
        self.done: Counter[str] = Counter()
        """How often each act was done."""

    async def live(self, steps: int) -> None:
        """Begin the day, do ``steps`` things, and check what is left."""
        async with AsyncExitStack() as stack:
            await self._begin(stack)
            acts = self._acts()
            weights = [weight for weight, _ in acts]
            for _ in range(steps):
                ((_, act),) = self.dice.choices(acts, weights)
                self.done[act.__name__.strip("_")] += 1
                await act()
                await asyncio.sleep(self.dice.random() * 0.03)  # faults come at no particular moment
            await self._end()
        await self._check()

    def _acts(self) -> list[tuple[int, Callable[[], Awaitable[None]]]]:
        return [
            (26, self._burst), (6, self._edit), (4, self._delete), (6, self._react), (3, self._pin), (20, self._say),
            (9, self._change_weather), (6, self._cut), (6, self._refresh), (3, self._lose_line),
            (5, self._kill_gateway),
            (1, self._stop_gateway), (4, self._kill_upstream), (1, self._stop_upstream), (3, self._freeze_upstream),
            (5, self._slow_bot), (6, self._come_or_leave), (4, self._drop_bot),
        ]  # fmt: skip

    async def _begin(self, stack: AsyncExitStack) -> None:
        await self._served.start()
        stack.push_async_callback(self._served.end)
        self._line = line = await stack.enter_async_context(Crooked(self._served.api_url))
        self._http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)))
        self._gateway = ForkedGateway(
            self._place, line.api_url, self._served.facts["apps"]["desk"], "--backlog-limit", "64KiB",
        )  # fmt: skip
        stack.push_async_callback(self._gateway.end, signal.SIGKILL)
        await self._gateway.start()
        for name in ("one", "two"):
            bot = Returning(name, self._gateway, self._http)
            self._bots.append(bot)
            stack.push_async_callback(bot.leave)
            bot.come()
        await self._until(lambda: all(bot.is_connected for bot in self._bots), "the bots do not connect")
        line.drops_ack = lambda envelope: self._happens("drops_ack")
        line.repeats = lambda envelope: self._happens("repeats")
        line.loses = lambda method: method == "chat.postMessage" and self._happens("loses")
        line.before = self._before
        line.after = self._after

    async def _end(self) -> None:
        """Have the weather turn fine, wait until everything has arrived, and end all."""
        await self._gather()
        self._weather = {}
        self._served.thaw()
        await self._line.live()
        for bot in self._bots:
            bot.go_on()
            if not bot.is_here:
                bot.come()
        await self._until(lambda: not any(bot.waiting for bot in self._bots), "messages of bots have no outcome")
        await self._sent()
        await self._line.cut()  # what has no ack is sent again at once
        ends = [await self._post(channel, "the end") for channel in CHANNELS]
        keys = {key for end in ends if end for key in [(end[0], "message.", end[1])]}
        assert len(keys) == len(CHANNELS)
        await self._until(lambda: all(keys <= bot.seen.keys() for bot in self._bots), "the end does not come")
        async with self._http.get(self._gateway.api_url.replace("/api/", "/readyz")) as answer:
            assert answer.status == 200, await answer.text()
        for bot in self._bots:
            await bot.leave()
        assert await self._gateway.end() == 0
        assert await self._served.stop() == 0

    async def _sent(self) -> None:
        """Wait until no message waits in the gateway; its bot may have lost the connection and asks no more."""
        deadline = time.monotonic() + PATIENCE
        while True:
            async with self._http.get(self._gateway.api_url.replace("/api/", "/metrics")) as answer:
                if '\ntautwire_sends_waiting{bot="bot"} 0.0\n' in await answer.text():
                    return
            assert time.monotonic() < deadline, "messages wait in the gateway"
            await asyncio.sleep(0.02)

    async def _check(self) -> None:
        wanted = await self._log(self._served.data)
        stored = await self._log(self._gateway.data)
        for channel, frames in wanted.items():
            assert stored[channel] == frames, difference(stored[channel], frames)
        texts = Counter(frame.get("text") for frames in wanted.values() for frame in frames if "subtype" not in frame)
        present = {(frame["channel"], frame.get("ts"), frame.get("text")) for frame in self._messages(wanted)}
        for bot in self._bots:
            assert not bot.wrong, (bot.name, bot.wrong)
            acked = {(send.channel, "message.", send.ts) for send in bot.sends}
            for send in bot.sends:
                assert texts[send.text] <= 1, f"sent {texts[send.text]} times: {send}"
                assert send.outcome != "ack" or (send.channel, send.ts, send.text) in present, f"a false ack: {send}"
            for frame in bot.replays:
                assert (frame["channel"], frame["ts"], frame["text"]) in present, f"a false replay: {frame}"
            for frames in wanted.values():
                order = [key for frame in frames if (key := key_of(frame)) and key not in acked]
                among = set(order)
                found = [key for key in bot.seen if key in among]
                assert found == order, (bot.name, difference(found, order))
        for text in (self._gateway.log, self._served.log):
            assert "Traceback" not in text, text
            for secret in (*self._served.facts["apps"]["desk"].values(), self._gateway.token, *self._tokens()):
                assert not isinstance(secret, str) or len(secret) < 16 or secret not in text

    def _tokens(self) -> list[str]:
        return [self._served.token(name) for name in ("alice", "bob")]

    @staticmethod
    def _messages(log: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
        return [frame for frames in log.values() for frame in frames if frame["type"] == "message"]

    async def _log(self, data: Path) -> dict[str, list[dict[str, Any]]]:
        """Return the events of the channels in a log, in its order."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        places = {self._served.channel(name) for name in CHANNELS}
        for line in await read_log(data):
            frame = json.loads(line.payload) if line.kind == "event" else {}
            key = key_of(frame)
            if key is not None and key[0] in places and frame["type"] in KINDS:
                found[key[0]].append(frame)
        return found

    # what people and bots do

    async def _burst(self) -> None:
        self._spawn(self._post_all(self._somewhere(), self.dice.randrange(1, 7)))

    async def _post_all(self, channel: str, count: int) -> None:
        for _ in range(count):
            self._numbers += 1
            await self._post(channel, f"person {self._numbers} {FILLER if count > 4 else ''}")

    async def _edit(self) -> None:
        await self._at_message("chat.update", "ts", text=f"edited {self._numbers}")

    async def _delete(self) -> None:
        await self._at_message("chat.delete", "ts")

    async def _react(self) -> None:
        await self._at_message("reactions.add", "timestamp", name=self.dice.choice(("tada", "eyes")))

    async def _pin(self) -> None:
        await self._at_message("pins.add", "timestamp")

    async def _at_message(self, method: str, member: str, **arguments: str) -> None:
        if self._posted:
            channel, ts = self.dice.choice(self._posted)
            self._spawn(self._call(method, channel=channel, **{member: ts}, **arguments))

    async def _say(self) -> None:
        bot = self.dice.choice(self._bots)
        for _ in range(self.dice.randrange(1, 4)):
            self._numbers += 1
            await bot.say(self._served.channel(self._somewhere()), f"{bot.name} {self._numbers}")

    async def _post(self, channel: str, text: str) -> tuple[str, str] | None:
        answer = await self._call("chat.postMessage", channel=self._served.channel(channel), text=text)
        if answer is None:
            return None
        place = answer["channel"], answer["ts"]
        self._posted.append(place)
        return place

    async def _call(self, method: str, **arguments: str) -> dict[str, Any] | None:
        """Call a method as alice; None if it was refused or the server is gone."""
        try:
            answer = await self._served.call(self._http, "alice", method, **arguments)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None
        return answer if answer["ok"] else None

    def _somewhere(self) -> str:
        return self.dice.choice(CHANNELS)

    def _spawn(self, burst: Any) -> None:
        task = asyncio.create_task(burst)
        self._bursts.add(task)
        task.add_done_callback(self._bursts.discard)

    async def _gather(self) -> None:
        self._served.thaw()
        await asyncio.gather(*self._bursts)

    # what goes wrong

    async def _change_weather(self) -> None:
        draw, dice = self.dice.choice, self.dice
        self._weather = {
            "drops_ack": draw((0.0, 0.2, 0.6)), "repeats": draw((0.0, 0.2, 0.6)), "loses": draw((0.0, 0.0, 0.3)),
            "limits": draw((0.0, 0.0, 0.3)), "is_slow": draw((0.0, 0.3, 1.0)), "pause": dice.random() * 0.2,
            "fails": draw((0.0, 0.0, 0.2)),
        }  # fmt: skip

    def _happens(self, what: str) -> bool:
        return self._chance.random() < self._weather.get(what, 0.0)

    async def _before(self, method: str, _: dict[str, str]) -> web.Response | None:
        if self._happens("limits"):
            return limited(self._chance.choice((0, 1)))
        if self._happens("fails"):
            return web.Response(status=503, text="upstream connect error")
        return None

    async def _after(self, method: str, _: dict[str, str]) -> None:
        if self._happens("is_slow"):
            await asyncio.sleep(self._weather.get("pause", 0.0))

    async def _cut(self) -> None:
        await self._line.cut()

    async def _refresh(self) -> None:
        with suppress(IndexError, ConnectionError):
            await self._line.tell({"type": "disconnect", "reason": "refresh_requested"})

    async def _lose_line(self) -> None:
        await self._line.die()
        await asyncio.sleep(self.dice.random() * 0.5)
        await self._line.live()

    async def _kill_gateway(self) -> None:
        await self._gateway.end(signal.SIGKILL)
        await self._gateway.start()

    async def _stop_gateway(self) -> None:
        assert await self._gateway.end() == 0
        await self._gateway.start()

    async def _kill_upstream(self) -> None:
        await self._served.kill()
        await self._start_upstream()

    async def _stop_upstream(self) -> None:
        await self._served.stop()
        await self._start_upstream()

    async def _start_upstream(self) -> None:
        await self._served.start()
        self._line.point(self._served.api_url)

    async def _freeze_upstream(self) -> None:
        self._served.freeze()
        await asyncio.sleep(self.dice.random() * 0.5)
        self._served.thaw()

    async def _slow_bot(self) -> None:
        bot = self.dice.choice(self._bots)
        bot.pause()
        await self._post_all(self._somewhere(), self.dice.randrange(1, 40))
        bot.go_on()

    async def _come_or_leave(self) -> None:
        bot = self.dice.choice(self._bots)
        if bot.is_here:
            await bot.leave()
        else:
            bot.come()

    async def _drop_bot(self) -> None:
        self.dice.choice(self._bots).drop()

    async def _until(self, condition: Callable[[], object], complaint: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            wrong = {bot.name: bot.wrong for bot in self._bots if bot.wrong}
            assert time.monotonic() < deadline, (complaint, wrong, self._gateway.log[-3_000:])
            await asyncio.sleep(0.02)


def difference(found: list[Any], wanted: list[Any]) -> str:
    """Say how two orders differ."""
    missing = [each for each in wanted if each not in found]
    more = [each for each in found if each not in wanted]
    place = next((n for n, pair in enumerate(zip(found, wanted, strict=False)) if pair[0] != pair[1]), None)
    lines = [f"{len(found)} of {len(wanted)}", f"missing: {missing}", f"too many: {more}"]
    if place is not None:
        lines.append(f"at {place}: found {found[place : place + 3]}, wanted {wanted[place : place + 3]}")
    return "\n".join(lines)
