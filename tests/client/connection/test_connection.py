"""One connection of the client, with a transport that keeps what it is asked for: ids, replies, pauses, retirement."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from tautwire import Message, Token
from tautwire.client.backpressure import Backpressure
from tautwire.client.clock import elapsed
from tautwire.client.connection.connection import Connection
from tautwire.client.connection.rtm_connect import ConnectAnswer
from tautwire.client.errors import SendRefused, SendUnknown
from tautwire.client.settings import Settings
from tautwire.protocol.frames import Ack
from tautwire.session.client import Arrival, Cause, Ended
from tautwire.session.outgoing import prepare

HELLO = b'{"type":"hello"}'
TYPING = b'{"type":"user_typing","channel":"C1","user":"U1"}'


class FakeTransport:
    """A socket that never ends by itself."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reads: list[bool] = []
        self.is_closed = False

    def send(self, data: bytes) -> None:
        self.sent.append(json.loads(data))

    def quiet_for(self) -> float | None:
        return None

    def acked_for(self) -> float | None:
        return None

    def read(self, wanted: bool) -> None:
        self.reads.append(wanted)

    async def close(self) -> None:
        self.is_closed = True


class NoHandlers:
    bindings = ()


class Desk:
    """Inbox and keeper in one: what came of the connection."""

    def __init__(self) -> None:
        self.flow = Backpressure()
        self.raw = NoHandlers()
        self.events: list[str] = []
        self.opened = 0
        self.endings: list[Ended] = []

    def frames_received(self, frames: Sequence[bytes]) -> None: ...

    def events_received(self, arrivals: Iterable[Arrival], frames: Sequence[bytes]) -> None:
        self.events += [type(event).__name__ for event, _ in arrivals]

    def positioned(self, position: str) -> None: ...

    def stored(self, payload: bytes, ts: str) -> None: ...

    def pinged(self, round_trip: float) -> None: ...

    def refused(self, error: SendRefused) -> None: ...

    def connection_opened(self, connection: Connection) -> None:
        self.opened += 1

    def connection_closed(self, connection: Connection, ended: Ended) -> None:
        self.endings.append(ended)

    def socket_closed(self, connection: Connection) -> None: ...


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def transport() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
async def connection(desk: Desk, transport: FakeTransport) -> Connection:
    grant = ConnectAnswer("ws://127.0.0.1/", None, None, None)  # type: ignore[arg-type]
    connection = Connection(grant, desk, desk, Settings(Token("xoxb-1")), 7)
    connection.connected(transport)
    connection.receive([HELLO])
    assert (desk.opened, desk.events) == (1, ["HelloEvent"])
    desk.events.clear()
    return connection


def say(connection: Connection, text: str = "hi") -> "asyncio.Future[Any]":
    future = connection.send(prepare(Message("C1", text)))  # type: ignore[arg-type]
    assert future is not None
    return future


def ack(number: int) -> bytes:
    return b'{"ok":true,"reply_to":%d,"ts":"1700000000.00000%d"}' % (number, number)


def pong(transport: FakeTransport) -> bytes:
    """Answer the last ping."""
    number = [frame["id"] for frame in transport.sent if frame["type"] == "ping"][-1]
    return b'{"type":"pong","reply_to":%d}' % number


async def test_ids_go_on_where_the_connection_before_it_ended(connection: Connection, transport: FakeTransport) -> None:
    assert connection.next_id == 7
    say(connection)
    assert [frame["id"] for frame in transport.sent] == [7]
    assert connection.next_id == 8


async def test_the_last_message_that_got_its_ack_is_known(connection: Connection) -> None:
    assert connection.stored is None
    futures = [say(connection, text) for text in "ab"]
    connection.receive([ack(8), b'{"ok":false,"reply_to":7,"error":{"code":2,"msg":"no text"}}'])
    assert connection.stored is not None
    assert connection.stored.ts == "1700000000.000008"
    assert isinstance(await futures[1], Ack)
    with pytest.raises(SendRefused):
        await futures[0]


async def test_a_reply_that_nobody_awaits_any_more_is_no_defect(
    connection: Connection, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    say(connection).cancel()
    connection.receive([ack(7), TYPING])
    assert desk.events == ["UserTypingEvent"]
    assert connection.stored is not None
    assert not caplog.records


async def test_a_reply_that_a_defect_swallows_ends_its_send_all_the_same(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(connection, "_settle", fail)
    future = say(connection)
    connection.receive([ack(7)])
    with pytest.raises(SendUnknown):
        await future
    assert "Settled was not carried out" in caplog.text


async def test_sends_without_a_reply_at_the_end_are_unknown(connection: Connection) -> None:
    futures = [say(connection, text) for text in "ab"]
    connection.receive([ack(8)])
    connection.abort("gone", Cause.DROPPED)
    assert isinstance(await futures[1], Ack)
    with pytest.raises(SendUnknown):
        await futures[0]
    assert connection.take_unanswered() == []


async def test_a_full_queue_stops_reading_until_a_reply_is_owed(
    connection: Connection, desk: Desk, transport: FakeTransport
) -> None:
    """Whoever awaits it may be what the queue waits for."""
    desk.flow.mark("queue", "handler", is_full=True, is_stuffed=False)
    await asyncio.sleep(0)
    assert (transport.reads, connection.is_paused) == ([False], True)
    future = say(connection)
    assert (transport.reads, connection.is_paused) == ([False, True], False)
    connection.receive([ack(7)])
    await future
    assert transport.reads == [False, True, False]


async def test_one_read_is_taken_in_spite_of_a_full_queue(
    connection: Connection, desk: Desk, transport: FakeTransport
) -> None:
    desk.flow.mark("queue", "handler", is_full=True, is_stuffed=False)
    await asyncio.sleep(0)
    connection._take_one_read()
    assert transport.reads == [False, True]
    connection.receive([TYPING])
    assert transport.reads == [False, True, False]


async def test_a_retired_connection_passes_on_what_comes_before_the_pong_and_no_more(
    connection: Connection, desk: Desk, transport: FakeTransport
) -> None:
    drained: list[bool] = []
    connection.retire(lambda: drained.append(True), 0.0)
    assert not connection.is_drained
    connection.receive([TYPING])
    assert (desk.events, drained) == (["UserTypingEvent"], [])
    connection.receive([pong(transport)])
    assert (drained, connection.is_drained) == ([True], True)
    connection.receive([TYPING])
    assert desk.events == ["UserTypingEvent"]
    await asyncio.wait_for(connection.is_over.wait(), 10)
    assert drained == [True]
    await connection.close("", desk.endings[0].cause)
    assert transport.is_closed


async def test_a_retired_connection_stays_until_the_last_reply(
    connection: Connection, desk: Desk, transport: FakeTransport
) -> None:
    futures = [say(connection, text) for text in "abc"]
    connection.retire(lambda: None, 0.0)
    connection.receive([pong(transport)])
    for number, future in zip((7, 8), futures, strict=False):
        connection.receive([ack(number)])
        await future
        for _ in range(3):
            await asyncio.sleep(0)
        assert not connection.is_over.is_set()
    connection.receive([ack(9)])
    assert isinstance(await futures[2], Ack)
    await asyncio.wait_for(connection.is_over.wait(), 10)


async def test_where_more_may_come_behind_the_pong_it_is_waited_for(
    connection: Connection, desk: Desk, transport: FakeTransport
) -> None:
    drained = asyncio.Event()
    connection.retire(drained.set, 0.05)
    connection.receive([pong(transport)])
    assert not drained.is_set()
    connection.receive([TYPING])
    assert desk.events == ["UserTypingEvent"]
    await asyncio.wait_for(drained.wait(), 10)
    await asyncio.wait_for(connection.is_over.wait(), 10)


async def test_a_timer_that_comes_late_lets_the_socket_be_read_first_and_only_once(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program was busy: what came in meanwhile is not silence. But silence is noticed however busy it stays."""
    handled: list[float] = []
    monkeypatch.setattr(connection._session, "handle_time", handled.append)

    def tick(late: float) -> int:
        connection._due = elapsed() - late
        connection._tick()
        return len(handled)

    assert [tick(0.0), tick(0.5)] == [1, 2]
    assert [tick(5.0), tick(5.0), tick(5.0), tick(0.0)] == [2, 3, 3, 4]
    connection.abort("", Cause.STOPPED)
