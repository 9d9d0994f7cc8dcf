"""One failure stays one: whatever raises once, each caller is answered or its connection closed, and all is well after.

Every step between the log and the sockets is made to fail once, at each of its first calls in a scene where people
write, type, watch, join, leave, come and go. Then everybody who is still connected has everything, in order and without
a gap, and everybody gets acks and events again.
"""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scene import ConnectionEnded, Frame, OpenScene, Scene, Socket, eventually, is_plain
from tautwire.server.hub import hub as hub_module
from tautwire.server.hub.frames import SharedFrames
from tautwire.server.hub.hub import Hub
from tautwire.server.hub.positions import Positions
from tautwire.server.log.catchup import CatchUp
from tautwire.server.rtm import connection as rtm_connection
from tautwire.server.rtm.backend_workspace import WorkspaceBackend
from tautwire.server.rtm.commands import Commands
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.door import Door
from tautwire.server.rtm.replays import Replays
from tautwire.server.services.people.presence import Presence
from tautwire.server.sockets import connection as connection_module
from tautwire.server.sockets.connection import SocketConnection
from tautwire.server.sockets.keeper import Keeper
from tautwire.session.outbox import Outbox
from tautwire.session.server import ServerSession

WITHIN = 5.0
"""Seconds within which a caller is answered or cut off."""

STEPS: list[tuple[object, str]] = [
    *((Hub, name) for name in ("attach", "detach", "_fan_out", "_join", "_leave", "_drop", "sweep", "whisper", "push")),
    *((Hub, name) for name in ("tell", "whisper_to", "answer", "flush_later")),
    *((Positions, name) for name in ("begin", "with_events", "due", "last")),
    *((Outbox, name) for name in ("append", "insert_first", "take_all")),
    *((SocketConnection, name) for name in ("flush", "send", "_end", "_peer_closed", "ping")),
    *((RtmConnection, name) for name in ("receive",)),
    *((Door, name) for name in ("opened", "carry_out", "ended", "closed", "_go_live", "_queue")),
    *((Keeper, name) for name in ("add", "note_end", "remove", "_look_after")),
    *((Commands, name) for name in ("_reply",)),
    *((WorkspaceBackend, name) for name in ("catch_up", "live", "ended", "post", "type", "subscribe_presence")),
    *((Presence, name) for name in ("touch", "subscribe", "unsubscribe", "answer", "disconnected", "_emit_change")),
    *((Replays, name) for name in ("take",)),
    *((ServerSession, name) for name in ("welcome", "receive", "acknowledge", "reject", "fail", "close")),
    *((SharedFrames, name) for name in ("of",)),
    *((CatchUp, name) for name in ("everything",)),
    *((module, "text_frame") for module in (hub_module, connection_module, rtm_connection)),
]


class Fault:
    """Makes the ``nth`` call of a function raise; every other call passes."""

    def __init__(self, function: Callable[..., Any], nth: int) -> None:
        self._function = function
        self._calls = itertools.count(1)
        self.nth = nth
        self.name = ""
        self.is_armed = False
        self.is_spent = False

    def wrapped(self) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            if self.is_armed and not self.is_spent and next(self._calls) == self.nth:
                self.is_spent = True
                raise MemoryError("injected")
            return self._function(*args, **options)

        return call


class Person:
    """Somebody with a connection that comes again when it is closed, and what it heard."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene = scene
        self.name = name
        self.socket: Socket
        self.texts: list[str] = []
        """The texts in #general since the connection was opened."""
        self.answers: dict[int, Frame] = {}
        self.is_over = False
        self._reading: asyncio.Task[None]
        self._ids = itertools.count(1)

    async def come(self) -> None:
        """Connect, and again if that fails."""
        async with asyncio.timeout(WITHIN):
            while True:
                try:
                    self.socket = await self.scene.connect(self.name, resume="")
                    break
                except (ConnectionEnded, OSError):
                    continue
        self.texts, self.answers, self.is_over = [], {}, False
        self._reading = asyncio.create_task(self._read())

    async def ask(self, **frame: Any) -> Frame | None:
        """Send a frame that is answered; return the answer, None if the connection was closed instead."""
        number = next(self._ids)
        await self.say(id=number, **frame)
        async with asyncio.timeout(WITHIN):
            while number not in self.answers and not self.is_over:  # noqa: ASYNC110 (whichever comes first)
                await asyncio.sleep(0.002)
        return self.answers.get(number)

    async def say(self, **frame: Any) -> None:
        """Send a frame, unless the connection is closed, which is told by ``is_over``."""
        with contextlib.suppress(OSError):
            await self.socket.send(**frame)

    async def settled(self) -> None:
        """Wait until all that was sent has arrived; come again if the connection is closed."""
        for _ in range(2):
            if await self.ask(type="ping") is None:
                await self.leave()
                await self.come()

    async def leave(self) -> None:
        self._reading.cancel()
        await self.socket.close()

    async def _read(self) -> None:
        try:
            while True:
                frame = await self.socket.frame()
                if "reply_to" in frame:
                    self.answers[frame["reply_to"]] = frame
                elif is_plain(frame) and frame["channel"] == self.scene.general:
                    self.texts.append(frame["text"])
        except (ConnectionEnded, OSError):
            self.is_over = True


async def post(scene: Scene, posted: list[str]) -> None:
    """Post by HTTP; the call returns and what it says is true."""
    text = f"text {len(posted)}"
    async with asyncio.timeout(WITHIN):
        await scene.post("relaybot", scene.general, text)
    posted.append(text)


async def live(scene: Scene, people: list[Person], posted: list[str], town: str) -> None:
    """Do everything once; each call returns, whatever fails."""
    alice, bob = people
    await post(scene, posted)
    await alice.ask(type="message", channel=scene.ops, text="to a channel of two")
    await alice.ask(type="message", channel="C0", text="refused")
    await alice.say(type="typing", channel="C0")
    await alice.say(type="typing", channel=scene.general)
    await bob.ask(type="ping")
    await bob.say(type="presence_sub", ids=[scene.users["alice"], scene.users["carol"]])
    await bob.say(type="presence_query", ids=[scene.users["alice"]])
    with contextlib.suppress(OSError):
        await bob.socket.ws.ping()
    carol = Person(scene, "carol")
    await carol.come()
    await scene.call("carol", "conversations.join", channel=town)
    await post(scene, posted)
    await scene.call("carol", "conversations.leave", channel=town)
    await carol.ask(type="ping")
    await carol.leave()
    grant = await scene.grant("alice", resume="")
    await post(scene, posted)
    late = await scene.dial(grant)
    for presence in ("away", "auto"):
        with contextlib.suppress(
            AssertionError
        ):  # of the scene, which expects no internal_error: that is an answer, too
            await scene.call("alice", "users.setPresence", presence=presence)
    await late.close()
    scene.clock.offset += 31
    await scene.server_swept()
    await post(scene, posted)


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Fault]:
    owner, name, nth = request.param
    fault = Fault(getattr(owner, name), nth)
    fault.name = name
    monkeypatch.setattr(owner, name, fault.wrapped())
    return fault


CASES = [
    pytest.param(
        (owner, name, nth), id=f"{getattr(owner, '__name__', '').removeprefix('tautwire.server.')}.{name}-{nth}"
    )
    for owner, name in STEPS
    for nth in (1, 2, 5)
]


@pytest.mark.parametrize("faults", CASES, indirect=True)
async def test_whatever_fails_once_everybody_is_answered_and_all_is_well_afterwards(
    open_scene: OpenScene, faults: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await open_scene()
    people = [Person(scene, "alice"), Person(scene, "bob")]
    for person in people:
        await person.come()
    posted: list[str] = []
    since = dict.fromkeys(people, 0)
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    faults.is_armed = True
    await live(scene, people, posted, town)
    was_spent = faults.is_spent
    faults.is_armed = False
    for person in people:
        await person.ask(type="ping")  # whose connection was ended learns it now

    closed = [person for person in people if person.is_over]
    for person in people:
        if person.is_over:
            await person.leave()
            await person.come()
            since[person] = len(posted)
    for _ in range(3):
        await post(scene, posted)
        for person in people:
            answer = await person.ask(type="message", channel=scene.ops if person is people[0] else "C0", text="x")
            assert answer is not None
    for person in people:
        await person.settled()
        assert not person.is_over
        assert person.texts == posted[since[person] :], "no gap, no copy, in order"
    if faults.nth == 1:
        assert was_spent, "the scene calls it"
    if was_spent and closed:
        assert any(record.levelno >= logging.ERROR for record in caplog.records), "a failure is in the log"
    caplog.clear()
    for person in people:
        await person.leave()
    if faults.name != "_drop":  # a connection that cannot be taken out stays there, ended
        await eventually(lambda: len(scene.server.workspace.hub) == 0)
    caplog.clear()
