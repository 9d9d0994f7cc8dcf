"""Eight hours of a bad network, on a loop that makes half a minute of them: the defaults, as programs have them."""

import asyncio
import gc
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from simulated import SimulatedClock, SimulatedLoop, one_time
from tautwire import (
    Backoff,
    Closed,
    ConnectError,
    Gap,
    MessageEvent,
    NotConnected,
    RateLimited,
    RTMClient,
    SendRefused,
    SendUnknown,
)
from tautwire.client.connection import budget as allowances
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.rtm_connect import ask
from tautwire.client.notices import ClientState, Resume
from tautwire.server.faults.book import METHODS
from tautwire.session.client import Timeouts
from tautwire.testing import FOREVER, Link
from tautwire.testing.stage import Stage, make_seed

HOURS: Final = 8 * 3600.0

SEEDS: Final = (1, 8)

SLACK: Final = 1.5
"""Seconds that may be added to what is promised: the watch looks once a second."""

HANDLERS: Final = 3
"""Those the client has here: for messages, of one conversation, for ends and for gaps."""

OUTAGES: Final = {1.5 * 3600: 600.0, 4.5 * 3600: 2400.0}
"""When an outage begins, and how long it lasts."""


class Day:
    """A client, somebody who talks to it, and everything that goes wrong between them."""

    def __init__(self, client: RTMClient, stage: Stage, chance: random.Random) -> None:
        self.client, self.stage, self.faults, self.chance = client, stage, stage.faults, chance
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.attempts: list[float] = []
        self.held_off: list[tuple[float, float]] = []
        """When an attempt was told to wait, and how long."""
        self.said: list[str] = []
        self.heard: list[str] = []
        self.sent: dict[str, str] = {}
        """What the client said, and what became of it."""
        self.closes: list[str] = []
        self.gaps: list[Gap] = []
        self.pings = 0
        self.suffered: dict[str, int] = {}
        self.longest_quiet = 0.0
        self._is_silenced = False
        self._allowances = len(allowances._KNOWN)  # of clients that other tests left to the garbage collector
        client.register(self._hear, MessageEvent)
        client.add_close_handler(self._note_close)
        client.add_gap_handler(self._note_gap)

    # -- who is there ---------------------------------------------------------------------------------------

    async def talk(self) -> None:
        """Say something now and then: a few words in a row, then nothing for a while, or for a long while."""
        while True:
            kind = self.chance.random()
            await asyncio.sleep(
                0.0 if kind < 0.3 else self.chance.expovariate(1 / 15) if kind < 0.95 else self.chance.uniform(60, 900)
            )
            self.said.append(str(len(self.said)))
            await self.stage.acts.say("alice", "general", self.said[-1], None)

    async def answer(self) -> None:
        """Let the client say something now and then."""
        for number in range(1_000_000):
            await asyncio.sleep(self.chance.expovariate(1 / 120))
            text = f"answer {number}"
            try:
                await self.client.say(self.stage.names.channel_id("general"), text)
                self.sent[text] = "stored"
            except SendUnknown:
                self.sent[text] = "unknown"
            except (NotConnected, ConnectError, SendRefused):
                self.sent[text] = "not sent"

    async def watch(self) -> None:
        """See every second that a connection is never quiet for longer than it may be."""
        while True:
            await asyncio.sleep(1.0)
            connection = self.client._supervisor.connection
            if connection is None:
                continue
            quiet = self.loop.time() - connection.heard_at
            assert quiet <= Timeouts().silence + SLACK, f"silence for {quiet} s was not noticed"
            if not self._is_silenced:
                self.longest_quiet = max(self.longest_quiet, quiet)
                assert quiet <= Timeouts().idle + SLACK, f"no ping for {quiet} s"

    # -- what goes wrong ------------------------------------------------------------------------------------

    async def suffer(self) -> None:
        """Let everything go wrong in turn, in any order, again and again."""
        outages = dict(OUTAGES)
        kinds: list[Callable[[], Awaitable[None]]] = []
        while self.loop.time() < self.began + HOURS:
            await asyncio.sleep(self.chance.expovariate(1 / 60))
            await self.until(self.is_ready, "not connected", 900.0)
            due = next((each for each in outages if self.loop.time() >= self.began + each), None)
            if due is not None:
                await self._outage(outages.pop(due))
                continue
            if not kinds:
                kinds = [*self._kinds()]
                self.chance.shuffle(kinds)
            kind = kinds.pop()
            self.suffered[kind.__name__] = self.suffered.get(kind.__name__, 0) + 1
            await kind()
        assert not outages

    def _kinds(self) -> Iterator[Callable[[], Awaitable[None]]]:
        some = self.chance.randint
        yield from (self._end(each) for each in (Link.fin, Link.rst, Link.close, Link.goodbye, Link.migration))
        yield self._silence
        yield self._hush
        for upgrade, times in (("refuse", some(1, 4)), ("hang", 1), ("expired", 1), ("no_hello", some(1, 2))):
            yield self._before("upgrade " + upgrade, lambda u=upgrade, t=times: self.faults.upgrade(u, times=t))
        yield self._before("upgrade drop", lambda: self.faults.upgrade("drop", times=some(1, 8)))
        yield self._before("fail", lambda: self.faults.fail("rtm.connect", status=some(500, 504), times=some(1, 5)))
        yield self._before("error", lambda: self.faults.error("rtm.connect", "fatal_error", times=some(1, 3)))
        yield self._before("drop", lambda: self.faults.drop("rtm.connect", times=some(1, 3)))
        yield self._before("late", lambda: self.faults.delay(some(1, 40), "rtm.connect"))
        yield self._before(
            "rate_limit", lambda: self.faults.rate_limit("rtm.connect", retry_after=some(1, 240), times=some(1, 2))
        )
        yield self._stutter

    def _end(self, how: Callable[[Link], None]) -> Callable[[], Awaitable[None]]:
        async def end() -> None:
            how(self.link)

        end.__name__ = how.__name__
        return end

    def _before(self, name: str, fault: Callable[[], None]) -> Callable[[], Awaitable[None]]:
        """A lost connection, and more that goes wrong on the way to the next one; or before a planned successor."""

        async def trouble() -> None:
            fault()
            self.chance.choice((Link.fin, Link.rst, Link.goodbye))(self.link)

        trouble.__name__ = name
        return trouble

    async def _steady(self) -> None:
        """Wait until the connection is no successor still, and none is on its way."""
        supervisor = self.client._supervisor
        while True:
            await self.until(self.is_ready, "not connected", 900.0)
            before = supervisor.connection
            await asyncio.sleep(5.0)
            is_alone = supervisor.connection is before and supervisor._open == {before}
            if is_alone and before is not None and not before.successor_wanted.is_set():
                return

    async def _silence(self) -> None:
        await self._steady()
        self._is_silenced = True
        ended = len(self.closes)
        self.link.silence()
        await self.until(lambda: len(self.closes) > ended, "silence was not noticed", Timeouts().silence + SLACK)
        assert self.closes[-1].startswith("silence")
        self._is_silenced = False

    async def _hush(self) -> None:
        """Let nothing go wrong for a quarter of an hour."""
        await asyncio.sleep(900.0)

    async def _stutter(self) -> None:
        self.faults.repeat_events(3)

    async def _outage(self, seconds: float) -> None:
        """Nobody listens; towards the end somebody does, and has no time."""
        await asyncio.to_thread(self.faults.refuse_connections)
        for each in self.faults.links:
            each.rst()
        await asyncio.sleep(seconds * 0.8)
        assert not self.client.is_connected
        self.faults.fail("rtm.connect", status=503, times=FOREVER)
        await asyncio.to_thread(self.faults.refuse_connections, False)
        await asyncio.sleep(seconds * 0.2)
        self.faults._plan.book.remove(faults=METHODS)
        budget = 1 / Backoff().budget.per_second
        await self.until(self.is_ready, "not back after an outage", max(Backoff().cap, budget) + SLACK)

    # -- looking --------------------------------------------------------------------------------------------

    @property
    def link(self) -> Link:
        """The client's connection as the front sees it."""
        return self.faults.links[-1]

    def is_ready(self) -> bool:
        """Whether the client is connected, and the front knows."""
        return self.client.state is ClientState.READY and bool(self.faults.links)

    async def until(self, condition: Callable[[], bool], complaint: str, within: float) -> None:
        """Wait for something, in the loop's time."""
        deadline = self.loop.time() + within
        while not condition():
            assert self.loop.time() < deadline, f"{complaint} after {within} s: {self.client.state}"
            await asyncio.sleep(0.25)

    async def _hear(self, event: MessageEvent) -> None:
        if event.user != self.client.identity.user.id:
            self.heard.append(event.text)

    async def _note_close(self, closed: Closed) -> None:
        self.closes.append(closed.reason)

    async def _note_gap(self, gap: Gap) -> None:
        self.gaps.append(gap)

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note every attempt, what it was told, and every ping."""
        transmit = Connection._transmit

        async def asking(*arguments: Any) -> Any:
            self.attempts.append(self.loop.time())
            try:
                return await ask(*arguments)
            except RateLimited as error:
                self.held_off.append((self.loop.time(), error.retry_after))
                raise

        def sending(connection: Connection, payload: bytes) -> None:
            self.pings += b'"ping"' in payload
            transmit(connection, payload)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tautwire.client.parts.ask", asking)
            patch.setattr(Connection, "_transmit", sending)
            patch.setattr("tautwire.client.connection.attempts.random", self.chance)
            yield

    # -- the end --------------------------------------------------------------------------------------------

    def was_good(self) -> None:
        """See that nothing was lost, and that nobody was asked too often."""
        assert self.heard == self.said
        assert all(gap.resume is Resume.RESUMED for gap in self.gaps)
        stored = [line.text for line in self.stage.observer.lines]
        for text, fate in self.sent.items():
            wanted = {"stored": (1,), "unknown": (0, 1), "not sent": (0,)}[fate]
            assert stored.count(text) in wanted, f"{text}: {fate}, and there {stored.count(text)} times"
        assert "stored" in self.sent.values()
        self._were_few(self.attempts)
        for told, seconds in self.held_off:
            early = [each for each in self.attempts if told < each < told + seconds]
            assert not early, f"told at {told} to wait {seconds} s, it called at {early}"
        assert self.held_off
        assert self.closes.count(f"silence for {Timeouts().silence:g} s") == self.suffered["_silence"]

    @staticmethod
    def _were_few(attempts: list[float]) -> None:
        """See that the attempts of any time, however short, are within the budget for it."""
        per_second, burst = Backoff().budget
        for first, began in enumerate(attempts):
            for last in range(first, len(attempts)):
                allowed = burst + (attempts[last] - began) * per_second
                assert last - first + 1 <= allowed + 1e-6, f"{last - first + 1} attempts from {began} on"

    def left_nothing(self) -> None:
        """See that what the client remembers is as little as after a minute."""
        repeats = self.client.delivery.duplicates
        assert len(repeats._delivered or ()) < 20
        assert repeats._copies is None or len(repeats._copies.left) < 20
        governor = self.client._supervisor._attempts._governor
        assert governor is not None
        assert governor.delay(self.loop.time(), 1.0) <= Backoff().base  # all is forgiven
        assert len(self.client._supervisor._open) == 1
        assert len(allowances._KNOWN) <= self._allowances + 1
        gc.collect()
        assert sum(type(each) is Connection for each in gc.get_objects()) <= 2


async def _live(seed: int) -> Day:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    stage = Stage(make_seed([], [], []))
    stage.clock = SimulatedClock(loop)
    with one_time(loop):
        await stage.open()
        try:
            client = RTMClient(stage.names.token("bot"), stage.api_url)
            day = Day(client, stage, random.Random(seed))
            with day.noting():
                async with client:
                    await _spend(day)
        finally:
            await stage.close()
    return day


async def _spend(day: Day) -> None:
    await day.stage.acts.say("alice", "general", "good morning", None)  # opens what the server opens when needed
    await day.until(lambda: day.heard == ["good morning"], "not heard", 5.0)
    day.heard.clear()
    await asyncio.sleep(60.0)
    before = _tasks()
    assert before["TaskQueue._work"] <= HANDLERS
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(each()) for each in (day.talk, day.answer, day.watch)]
        await group.create_task(day.suffer())
        for each in others:
            each.cancel()
    day.faults._plan.book.remove(faults=METHODS)
    await day.until(day.is_ready, "not connected in the end", 900.0)
    await asyncio.sleep(600.0)
    assert day.client.state is ClientState.READY
    left = _tasks()
    assert left.pop("TaskQueue._work") <= HANDLERS  # one for each that had something to do since
    before.pop("TaskQueue._work")
    assert left == before
    day.left_nothing()


def _tasks() -> Counter[str]:
    """Return what runs on the loop, by the name of its coroutine."""
    return Counter(each.get_coro().__qualname__ for each in asyncio.all_tasks())


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", SEEDS)
def test_eight_hours_of_a_bad_network(seed: int) -> None:
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        day = runner.run(_live(seed))
    day.was_good()
