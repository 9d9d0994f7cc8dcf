"""The shell of one RTM connection, with a transport that is told how full it is."""

from collections.abc import Callable
from typing import Any

import pytest

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Tickle
from tautwire.protocol.ids import UserId
from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.hub.frames import text_frame
from tautwire.server.rtm import connection as connection_module
from tautwire.server.rtm.connection import BULK, PAGE, PAUSE, RtmConnection
from tautwire.server.services.identity import Identity
from tautwire.server.services.tickets import Ticket
from tautwire.session.server import ServerSession


class Wire:
    """The transport and the socket in one: what was written, and what was asked for."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.waiting = 0
        self.reading: list[bool] = []
        self.is_close_frame_sent = False
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None:
        self.reading.append(False)

    def resume_reading(self) -> None:
        self.reading.append(True)

    def abort(self) -> None:
        self.is_aborted = True

    def send_close(self, code: int, reason: bytes) -> None:
        self.written.append(b"close %d" % code)
        self.is_close_frame_sent = True


class FakeHub:
    """Puts answers into the outbox, and no more."""

    position: bytes | None = None

    def last_position(self, connection: RtmConnection) -> bytes | None:
        return self.position

    def answer(self, connection: RtmConnection, frame: bytes, *, first: bool = False) -> None:
        connection.outbox.append(frame)


class FakeHost:
    """What a connection needs of the server."""

    def __init__(self) -> None:
        self.hub: Any = FakeHub()
        self.clock = Clock()
        self.counts = Counts()
        self.backlog_limit = 10_000_000
        self.overruns = 0
        self.commands: list[object] = []
        self.endings: list[str | None] = []

    def opened(self, connection: RtmConnection) -> None: ...

    def closed(self, connection: RtmConnection) -> None: ...

    def carry_out(self, connection: RtmConnection, command: object) -> None:
        self.commands.append(command)

    def overrun(self, connection: RtmConnection) -> None:
        self.overruns += 1

    def ended(self, connection: RtmConnection) -> None:
        self.endings.append(connection.ending)

    def failed(self, connection: RtmConnection, why: str, error: Exception) -> None:
        raise error


class FakeLoop:
    """Keeps what is to be called later."""

    def __init__(self) -> None:
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, call: Callable[[], None]) -> None:
        self.later.append((delay, call))


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    loop = FakeLoop()
    monkeypatch.setattr(connection_module.asyncio, "get_running_loop", lambda: loop)
    return loop


@pytest.fixture
def connection(host: FakeHost, wire: Wire, loop: FakeLoop) -> RtmConnection:
    who = Identity(UserId("U1"), "alice", None, None)
    ticket = Ticket(b"", 0.0, who, 0, batches_presence=False, wants_positions=False)
    connection = RtmConnection(1, ticket, ServerSession(message_rate=None), host)
    connection._socket = connection._transport = wire
    connection._write = wire.write
    connection.session.welcome()
    return connection


def queue(connection: RtmConnection, *sizes: int) -> list[bytes]:
    frames = [bytes([97 + number % 26]) * size for number, size in enumerate(sizes)]
    connection.outbox.extend(frames)
    return frames


def test_one_frame_is_written_as_it_is(connection: RtmConnection, wire: Wire, host: FakeHost) -> None:
    """Whatever its length: it is shared by all who get it, and a page could hold no less."""
    (frame,) = queue(connection, PAGE + 1)
    assert not connection.flush()
    assert wire.written[0] is frame
    assert (host.counts.frames_out, host.counts.bytes_out) == (1, PAGE + 1)


def test_frames_that_fill_a_page_are_written_at_once(connection: RtmConnection, wire: Wire, host: FakeHost) -> None:
    frames = queue(connection, PAGE - 1, 1)
    wire.waiting = 1  # so that a page would go frame by frame
    assert not connection.flush()
    assert wire.written == [b"".join(frames)]
    assert (host.counts.frames_out, host.counts.bytes_out) == (2, PAGE)


def test_a_longer_queue_goes_page_by_page_turn_by_turn(connection: RtmConnection, wire: Wire, host: FakeHost) -> None:
    frames = queue(connection, PAGE, 1)
    assert [connection.flush() for _ in range(2)] == [True, False]
    assert wire.written == frames
    wire.written.clear()
    host.counts.frames_out = host.counts.bytes_out = 0
    frames = queue(connection, *[PAGE // 2] * 5)
    assert [connection.flush() for _ in range(3)] == [True, True, False]
    assert wire.written == [b"".join(frames[:2]), b"".join(frames[2:4]), frames[4]]
    assert (host.counts.frames_out, host.counts.bytes_out) == (5, 5 * (PAGE // 2))


def test_behind_a_backlog_the_shared_frames_are_passed_on(connection: RtmConnection, wire: Wire) -> None:
    """Stalled connections hold references, not copies."""
    frames = queue(connection, PAGE // 2, PAGE // 2, PAGE // 2)
    wire.waiting = 1
    assert connection.flush()
    assert [got is frame for got, frame in zip(wire.written, frames[:2], strict=True)] == [True, True]


def test_a_bulk_goes_in_larger_pages_with_pauses_between_them(
    connection: RtmConnection, wire: Wire, loop: FakeLoop
) -> None:
    frames = queue(connection, *[BULK // 4] * 6)
    assert connection.has_room is False
    assert not connection.flush()
    assert wire.written == [b"".join(frames[:4])]
    assert [delay for delay, _ in loop.later] == [PAUSE]
    assert not connection.flush(), "the pause is for all that waits"
    connection.outbox.clear()
    assert not connection.has_room, "nor is a page wanted in the pause"
    connection.outbox.extend(frames[4:])
    assert len(wire.written) == 1


def test_a_bulk_of_one_frame_needs_no_pause(connection: RtmConnection, wire: Wire, loop: FakeLoop) -> None:
    queue(connection, BULK + 1)
    connection.slow_since = 1.0
    assert not connection.flush()
    assert len(wire.written) == 1
    assert loop.later == []
    connection.slow_since = None
    assert connection.has_room


def test_a_peer_for_whom_too_much_waits_is_reported_and_gets_no_more(
    connection: RtmConnection, wire: Wire, host: FakeHost
) -> None:
    host.backlog_limit = 1_000
    connection.pause_writing()
    queue(connection, 600, 400)
    wire.waiting = 1
    assert connection.queued_bytes == 1_001
    assert not connection.flush()
    assert (host.overruns, wire.written) == (1, [])


def test_before_the_socket_is_open_nothing_waits(host: FakeHost, loop: FakeLoop) -> None:
    connection = RtmConnection(1, None, ServerSession(), host)
    assert connection.queued_bytes == 0
    assert connection.has_room


def test_reading_stops_when_too_much_waits_and_goes_on_when_there_is_room(
    connection: RtmConnection, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.session.server.MAX_PENDING", 2)
    message = b'{"type":"message","id":1,"channel":"C1","text":"x"}'
    for _ in range(4):  # in one read of the socket
        connection._receive(message)
    assert wire.reading == [False]
    for _ in range(4):
        reply = connection.session.reject(1, RtmErrorCode.CANNOT_PROCESS)
        assert reply is not None
        connection.send(reply)
    assert wire.reading == [False, True]


def test_the_end_lets_a_socket_be_read_on_only_if_it_was_held(connection: RtmConnection, wire: Wire) -> None:
    """The peer's Close has to be read."""
    connection._end(1.0)
    assert wire.reading == []


def test_a_held_socket_is_read_on_at_the_end(connection: RtmConnection, wire: Wire) -> None:
    connection._hold(True)
    connection._end(1.0)
    assert wire.reading == [False, True]


@pytest.mark.parametrize("known", [None, "slow"])
def test_a_failure_of_ours_is_the_reason_unless_there_was_one_before(
    connection: RtmConnection, wire: Wire, host: FakeHost, known: Any
) -> None:
    connection.ending = known
    connection.fail()
    assert wire.is_aborted
    connection._end(1.0)
    assert host.endings == [known or "failed"]


@pytest.mark.parametrize("position", [None, b"position"])
def test_before_the_end_a_peer_gets_what_waits_and_its_position(
    connection: RtmConnection, wire: Wire, host: FakeHost, position: bytes | None
) -> None:
    host.hub.position = position
    connection.outbox.append(b"event")
    connection.end(1001, "the server stops", 1.0)
    connection.end(1001, "again", 2.0)
    assert wire.written == [b"event" + (position or b""), text_frame(b'{"type":"goodbye"}'), b"close 1001"]
    assert not connection.outbox
    assert connection.ended == 1.0


def test_only_commands_are_carried_out(connection: RtmConnection, host: FakeHost) -> None:
    for data in (b'{"type":"of_tomorrow"}', b'{"type":"ping","id":1}', b"no frame", b'{"type":"tickle","id":2}'):
        connection._receive(data)
    assert host.commands == [Tickle(2)]
    assert len(connection.outbox) == 2
