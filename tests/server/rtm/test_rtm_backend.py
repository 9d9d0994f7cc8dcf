"""The RTM door with another backend than the workspace: commands are carried to an upstream, which here is a queue.

Nothing of a workspace is running: no database, no writer, no presence. What the door does itself (hello, acks, errors,
replays, goodbye) it does all the same.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rawsocket import TEXT, RawSocket, frame
from scene import TurnedClock, eventually
from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Message, Typing
from tautwire.protocol.ids import Ts, UserId
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.epochs import Epoch, Epochs
from tautwire.server.rtm.backend import Answer, Backend, Peer
from tautwire.server.rtm.door import Door
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.tickets import RTM_PATH, Tickets
from tautwire.server.services.errors import MethodError
from tinydoor import served

CHANNEL = "C1"
WHO = Identity(UserId("U1"), "relaybot", "B1", "A1")


class Posted(NamedTuple):
    """What the upstream has stored."""

    channel: str
    ts: Ts
    body: dict[str, Any]


class Pages:
    """Missed events, one on each page."""

    def __init__(self, events: Sequence[Entry], position: int) -> None:
        self._events = [each for each in events if each.position > position]
        self.position = position

    @property
    def is_complete(self) -> bool:
        return not self._events

    def everything(self) -> Sequence[Entry] | None:
        return None if self._events else []

    async def rewind(self) -> None:
        await asyncio.sleep(0)

    async def page(self) -> Sequence[Entry]:
        event = self._events.pop(0)
        self.position = event.position
        return [event]


class Upstream:
    """A backend that queues commands for an upstream; the test is the upstream and answers when it likes."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.log: list[Entry] = []
        self.sent: asyncio.Queue[tuple[Message, Answer]] = asyncio.Queue()
        self.calls: list[str] = []

    def catch_up(self, peer: Peer, position: int) -> Pages:
        return Pages(self.log, position)

    def live(self, peer: Peer) -> None:
        self.calls.append(f"live {peer.user}")

    def ended(self, peer: Peer) -> None:
        self.calls.append(f"ended {peer.user}")

    def post(self, peer: Peer, message: Message, answer: Answer) -> None:
        self.sent.put_nowait((message, answer))

    def type(self, peer: Peer, typing: Typing) -> RtmErrorCode | None:
        return None if typing.channel == CHANNEL else RtmErrorCode.INVALID_CHANNEL

    def subscribe_presence(self, peer: Peer, users: Sequence[str]) -> RtmErrorCode | None:
        return RtmErrorCode.CANNOT_PROCESS

    def query_presence(self, peer: Peer, users: Sequence[str]) -> None:
        self._hub.tell(peer, json.dumps({"type": "presence_change", "users": users, "presence": "away"}).encode())

    def tickle(self, peer: Peer) -> None:
        self.calls.append(f"tickle {peer.user}")


class Gateway:
    """A hub, a backend and an RTM door on a port."""

    def __init__(self, directory: Path, clock: TurnedClock) -> None:
        self.hub = Hub({WHO.user: {Topic(CHANNEL)}}, Epochs([Epoch("log", 0)]))
        self.upstream = Upstream(self.hub)
        self.counts = Counts()
        backend: Backend = self.upstream
        self._tickets = Tickets("T1", clock, 30.0, lambda _: WHO)
        self.door = Door(
            backend,
            hub=self.hub,
            tickets=self._tickets,
            settings=Settings(data=directory, drain=0.01),
            clock=clock,
            counts=self.counts,
        )
        self.url = ""

    @asynccontextmanager
    async def dialled(self, position: int = 0) -> AsyncIterator["Client"]:
        ticket = self._tickets.issue(who=WHO, position=position, batches_presence=False, wants_positions=False)
        async with RawSocket.dialled(f"{self.url}{RTM_PATH}{ticket}") as socket:
            yield Client(socket)


class Client:
    """An RTM client."""

    def __init__(self, socket: RawSocket) -> None:
        self.socket = socket

    def send(self, **members: Any) -> None:
        self.socket.write(frame(json.dumps(members).encode()))

    async def get(self) -> dict[str, Any]:
        opcode, payload = await self.socket.read()
        assert opcode == TEXT
        return dict(json.loads(payload))


@pytest.fixture
async def gateway(tmp_path: Path, clock: TurnedClock) -> AsyncIterator[Gateway]:
    gateway = Gateway(tmp_path, clock)
    async with served({RTM_PATH: gateway.door.listen}) as gateway.url:
        yield gateway


def stored(message: Message, ts: str) -> Posted:
    return Posted(message.channel, Ts(ts), {"user": WHO.user, "text": f"<{message.text}>", "ts": ts})


async def test_a_message_is_acked_when_the_upstream_has_it_with_its_ts_and_text(gateway: Gateway) -> None:
    async with gateway.dialled() as client:
        client.send(type="message", id=1, channel=CHANNEL, text="one")
        client.send(type="message", id=2, channel=CHANNEL, text="two")
        (first, answer_first), (second, answer_second) = [await gateway.upstream.sent.get() for _ in range(2)]
        assert (first.text, second.text) == ("one", "two")
        answer_second(stored(second, "2.000000"), None)
        answer_first(stored(first, "1.000000"), None)
        assert await client.get() == {"ok": True, "reply_to": 2, "ts": "2.000000", "text": "<two>"}
        assert await client.get() == {"ok": True, "reply_to": 1, "ts": "1.000000", "text": "<one>"}
    assert gateway.counts.acks == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MethodError("channel_not_found"), RtmErrorCode.INVALID_CHANNEL),
        (MethodError("msg_blocks_too_long"), RtmErrorCode.CANNOT_PROCESS),
        (OSError("the upstream is away"), RtmErrorCode.CANNOT_PROCESS),
    ],
    ids=["known", "other", "failure"],
)
async def test_an_error_of_the_upstream_becomes_one_of_rtm(
    gateway: Gateway, error: Exception, code: RtmErrorCode, caplog: pytest.LogCaptureFixture
) -> None:
    async with gateway.dialled() as client:
        client.send(type="message", id=1, channel=CHANNEL, text="one")
        _, answer = await gateway.upstream.sent.get()
        answer(None, error)
        assert await client.get() == {"ok": False, "reply_to": 1, "error": {"code": int(code), "msg": code.msg}}
    assert ("could not be posted" in caplog.text) is not isinstance(error, MethodError)


async def test_an_answer_after_the_end_is_the_replay_of_the_next_connection(gateway: Gateway) -> None:
    async with gateway.dialled() as client:
        client.send(type="message", id=7, channel=CHANNEL, text="one")
        message, answer = await gateway.upstream.sent.get()
        client.socket.hang_up()
        await eventually(lambda: not gateway.door.connections)
    answer(stored(message, "1.000000"), None)
    async with gateway.dialled() as client:
        replay = {"reply_to": 7, "type": "message", "channel": CHANNEL, "user": WHO.user}
        assert await client.get() == replay | {"text": "<one>", "ts": "1.000000"}


async def test_other_commands_reach_the_backend_and_errors_reach_the_client(gateway: Gateway) -> None:
    async with gateway.dialled() as client:
        client.send(type="tickle")
        client.send(type="typing", id=1, channel=CHANNEL)
        client.send(type="typing", id=2, channel="C2")
        client.send(type="presence_sub", id=3, ids=["U2"])
        client.send(type="presence_query", id=4, ids=["U2", "U2"])
        refused, not_subscribed, presence = [await client.get() for _ in range(3)]
    assert (refused["reply_to"], refused["error"]["code"]) == (2, int(RtmErrorCode.INVALID_CHANNEL))
    assert (not_subscribed["reply_to"], not_subscribed["error"]["code"]) == (3, int(RtmErrorCode.CANNOT_PROCESS))
    assert presence == {"type": "presence_change", "users": ["U2"], "presence": "away"}
    await eventually(lambda: "ended U1" in gateway.upstream.calls)
    assert gateway.upstream.calls == ["live U1", "tickle U1", "ended U1"]


async def test_missed_events_come_from_the_backend_and_later_ones_from_the_hub(gateway: Gateway) -> None:
    events = [Entry(number, "event", Topic(CHANNEL), b'{"n":%d}' % number) for number in range(1, 5)]
    gateway.upstream.log = events[:3]
    async with gateway.dialled(position=1) as client:
        assert [(await client.get())["n"] for _ in range(2)] == [2, 3]
        await eventually(lambda: len(gateway.hub) == 1)
        gateway.hub.deliver(events[3:])
        assert (await client.get())["n"] == 4


async def test_a_backend_that_raises_costs_the_connection_of_that_command_only(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(peer: Peer, message: Message, answer: Answer) -> None:
        raise ValueError

    async with gateway.dialled() as first, gateway.dialled() as second:
        with monkeypatch.context() as patched:
            patched.setattr(gateway.upstream, "post", fails)
            first.send(type="message", id=1, channel=CHANNEL, text="one")
            assert await first.socket.closed() is None
        second.send(type="ping", id=1)
        assert (await second.get())["reply_to"] == 1
    assert "its frame could not be handled" in caplog.text


async def test_a_caller_without_a_ticket_never_reaches_the_backend(gateway: Gateway) -> None:
    async with RawSocket.dialled(f"{gateway.url}{RTM_PATH}forged", hello=False) as socket:
        assert json.loads((await socket.read())[1])["type"] == "error"
        assert await socket.closed() == 1000
    assert gateway.upstream.calls == []


async def test_a_stop_says_goodbye(gateway: Gateway) -> None:
    async with gateway.dialled() as client:
        stopping = asyncio.create_task(gateway.door.stop())
        assert await client.get() == {"type": "goodbye"}
        assert await client.socket.closed() == 1001
        await stopping
    assert gateway.upstream.calls == ["live U1", "ended U1"]
