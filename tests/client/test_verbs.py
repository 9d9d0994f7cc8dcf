"""Verbs, cancellations and a server that misbehaves, at random: every call returns, nothing is left, no loss is silent.

Each seed is another life of a client. ``make test`` takes a few; ``CHAOS_SEEDS=200`` takes that many.
"""

import asyncio
import os
import queue
import random
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from drive import QUICK, until
from fake import TOKEN, FakeServer, Peer, answer_all, message
from tautwire import ClientClosed, ClientState, Gap, MessageEvent, RTMClient, Timeouts
from tautwire.protocol.errors import TautwireError
from tautwire.session.outgoing import MAX_FRAME_ID

SEEDS = range(int(os.environ["CHAOS_SEEDS"])) if "CHAOS_SEEDS" in os.environ else (3, 6, 9, 15)

LIFE = 1.5
"""Seconds of misbehaviour and verbs."""

LIMIT = 20.0
"""Seconds any call may take: several times what its own limits add up to."""

NEARLY = 0.25
"""Seconds by which the two sides may see the end of a connection apart."""

REFUSALS: list[Any] = [
    (500, {}, "no"),
    (429, {"Retry-After": "0"}, "{}"),
    {"ok": False, "error": "fatal_error"},
    {"ok": False, "error": "invalid_auth"},
]


class Server:
    """A server that tells every connection every event, and breaks whatever it can."""

    def __init__(self, fake: FakeServer, chance: random.Random) -> None:
        self.told: list[tuple[str, float]] = []
        """Each event, and when it was told to those who were there."""
        self._fake = fake
        self._chance = chance
        self._peers: list[Peer] = []
        self._is_mute = False
        fake.reply = self._reply

    def _reply(self, frame: dict[str, Any]) -> dict[str, Any] | None:
        if self._is_mute or self._chance.random() < 0.05:
            return None
        if frame["type"] == "message" and self._chance.random() < 0.1:
            return {"ok": False, "reply_to": frame["id"], "error": {"code": 2, "msg": "no"}}
        return answer_all(frame)

    def tell(self) -> None:
        """Tell an event to all who got their hello."""
        self._fake.call(self._tell)

    def _tell(self) -> None:
        number = len(self.told) + 1
        for each in self._present():
            each._writer.write(_frame(message(number)))
        self.told.append((str(number), time.time()))

    def _present(self) -> list[Peer]:
        with suppress(queue.Empty):
            while True:
                self._peers.append(self._fake._peers.get_nowait())
        self._peers = [each for each in self._peers if not each.closed.is_set()]
        return self._peers

    def misbehave(self) -> None:
        """Do one of many bad things."""
        chance = self._chance
        peers = self._present_now()
        peer = chance.choice(peers) if peers else None
        kinds: list[Callable[[], object]] = [
            lambda: self._fake.upgrades.append(chance.choice([503, 0])),
            lambda: self._fake.answers.append(chance.choice(REFUSALS)),
            self._toggle_mute,
            self._toggle_hello,
        ]
        if peer is not None:
            good = peer
            kinds += [good.drop, good.close, lambda: _reset(good), lambda: good.read(wanted=False)]
            kinds += [lambda: good.send({"type": "goodbye"})] * 6
        chance.choice(kinds)()

    def behave(self) -> None:
        """Do only good from now on."""
        self._is_mute = False
        self._chance = random.Random(1)
        self._fake.reply = answer_all
        self._fake.greeting = [{"type": "hello"}]
        self._fake.answers.clear()
        self._fake.upgrades.clear()

    def _present_now(self) -> list[Peer]:
        self._fake.call(self._present)
        return self._peers

    def _toggle_mute(self) -> None:
        self._is_mute = not self._is_mute

    def _toggle_hello(self) -> None:
        self._fake.greeting = [] if self._fake.greeting else [{"type": "hello"}]


def _frame(event: dict[str, Any]) -> bytes:
    import json

    from fake import frame

    return frame(json.dumps(event).encode())


def _reset(peer: Peer) -> None:
    with suppress(OSError):  # closed meanwhile
        peer.reset()


class Life:
    """One client: what it was told to do, what it heard, and what became of it."""

    def __init__(self, client: RTMClient, server: Server, chance: random.Random) -> None:
        self.heard: list[str] = []
        self.gaps: list[Gap] = []
        self.calls: dict[asyncio.Task[Any], str] = {}
        self._client = client
        self._server = server
        self._chance = chance
        client.register(self._hear, MessageEvent)
        client.add_gap_handler(self._note_gap)
        client.add_close_handler(self._note_close)

    async def _hear(self, event: MessageEvent) -> None:
        self.heard.append(event.text)

    async def _note_gap(self, gap: Gap) -> None:
        self.gaps.append(gap)

    async def _note_close(self, _closed: object) -> None:
        if self._chance.random() < 0.1:
            self._call("connect")

    async def go(self) -> None:
        """Do something at random until the time is up."""
        until = time.monotonic() + LIFE
        while time.monotonic() < until:
            kind = self._chance.random()
            if kind < 0.5:
                self._server.tell()
            elif kind < 0.6:
                self._server.misbehave()
            elif kind < 0.9:
                self._call(self._chance.choice(list(self._verbs())))
            await asyncio.sleep(self._chance.expovariate(1 / 0.005))

    def _verbs(self) -> dict[str, Callable[[], Awaitable[object]]]:
        client, chance = self._client, self._chance
        return {
            "connect": client.connect,
            "connect again": client.connect,
            "reconnect": client.reconnect,
            "disconnect": client.disconnect,
            "say": lambda: client.say("C1", "x"),
            "say again": lambda: client.say("C1", "y"),
            "send": lambda: client.send({"type": "ping", "id": chance.choice([1, 2**31, MAX_FRAME_ID])}),
            "ping": client.ping,
            "typing": lambda: client.typing("C1"),
            "presence_sub": lambda: client.presence_sub(["U1"]),
            "presence_query": lambda: client.presence_query(["U1"]),
        }

    def _call(self, verb: str) -> None:
        async def call() -> None:
            with suppress(TautwireError):
                await self._verbs()[verb]()

        task = asyncio.create_task(call())
        self.calls[task] = verb
        if self._chance.random() < 0.3:
            asyncio.get_running_loop().call_later(self._chance.expovariate(1 / 0.05), task.cancel)

    async def all_returned(self) -> None:
        """See that every call has an end, and none is a defect."""
        _, left = await asyncio.wait(self.calls, timeout=LIMIT)
        assert not left, f"not returned: {sorted(self.calls[each] for each in left)}"
        for each, verb in self.calls.items():
            assert each.cancelled() or each.exception() is None, (verb, each.exception())

    async def is_well(self) -> None:
        """See that the client is as good as new, and lost nothing without a word."""
        deadline = time.monotonic() + LIMIT
        while True:
            assert time.monotonic() < deadline, f"not connected again: {self._client.state}"
            with suppress(TautwireError):
                await self._client.connect()
                await self._client.ping()
                break
        last = len(self._server.told)
        while not self._is_heard(last):  # one that is told to a connection that just ends is in a gap
            assert time.monotonic() < deadline, "what is said is not heard"
            self._server.tell()
            await asyncio.sleep(0.05)
        assert self.heard == sorted(set(self.heard), key=int), "not in order, or twice"
        lost = [(text, at) for text, at in self._server.told[: int(self.heard[-1])] if text not in set(self.heard)]
        for text, at in lost:
            assert any(gap.began.timestamp() - NEARLY <= at <= gap.ended.timestamp() + NEARLY for gap in self.gaps), (
                f"event {text} was lost without a word"
            )

    def _is_heard(self, last: int) -> bool:
        return bool(self.heard) and int(self.heard[-1]) > last


async def live(seed: int, fake: FakeServer) -> None:
    chance = random.Random(seed)
    server = Server(fake, random.Random(seed))
    before = asyncio.all_tasks()
    client = RTMClient(
        TOKEN,
        fake.api_url,
        backoff=QUICK,
        message_rate=None,
        timeouts=Timeouts(hello=0.5, idle=0.2, silence=1.0, reply=1.0),
        connect_timeout=1.0,
        send_timeout=1.0,
    )
    life = Life(client, server, chance)
    await client.connect()
    await life.go()
    if chance.random() < 0.3:  # in the midst of it
        closing = asyncio.create_task(client.close())
        await asyncio.wait_for(closing, LIMIT)
        await life.all_returned()
        with pytest.raises(ClientClosed):
            await client.say("C1", "x")
    else:
        server.behave()
        await life.all_returned()
        await life.is_well()
        await asyncio.wait_for(client.close(), LIMIT)
    assert client.state in (ClientState.CLOSED, ClientState.FAILED)
    await until(lambda: {each for each in asyncio.all_tasks() if not each.done()} <= before, "tasks are left")
    assert client._supervisor._open == set()
    assert client.sending.unanswered.waiting == {}


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_every_call_returns_and_no_loss_is_silent(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.client.connection.connection._DRAIN", 0.3)
    monkeypatch.setattr("tautwire.client.connection.transport.CLOSE_TIMEOUT", 0.3)
    threads, sockets = set(threading.enumerate()), open_sockets()
    with FakeServer() as fake, asyncio.Runner() as runner:
        runner.run(asyncio.wait_for(live(seed, fake), 3 * LIMIT))
    deadline = time.monotonic() + LIMIT
    while set(threading.enumerate()) - threads or len(open_sockets()) > len(sockets):
        assert time.monotonic() < deadline, (set(threading.enumerate()) - threads, open_sockets())
        time.sleep(0.01)


def open_sockets() -> list[str]:
    """Return the sockets of this process, where the system tells."""
    if sys.platform != "linux":
        return []
    found = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # closed meanwhile
            found.append(str(each.readlink()))
    return [each for each in found if each.startswith("socket:")]
