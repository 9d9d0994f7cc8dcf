"""The shell of a server WebSocket, with a transport of which the test says how full it is, and with real sockets."""

import logging
import struct
from collections.abc import AsyncIterator
from typing import Any

import pytest

from rawsocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, frame
from scene import eventually
from tautwire.server.sockets import connection as connection_module
from tautwire.server.sockets.connection import BULK, PAGE, PAUSE
from tautwire.server.sockets.frames import text_frame
from tinydoor import PREFIX, FakeLoop, TinyConnection, TinyDoor, Wire, connected, served


@pytest.fixture
def door() -> TinyDoor:
    return TinyDoor()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    loop = FakeLoop()
    monkeypatch.setattr(connection_module.asyncio, "get_running_loop", lambda: loop)
    return loop


@pytest.fixture
def connection(door: TinyDoor, wire: Wire, loop: FakeLoop) -> TinyConnection:
    connection = TinyConnection(1, door)
    connection._socket = connection._transport = wire
    connection._write = wire.write
    return connection


def queue(connection: TinyConnection, *sizes: int) -> list[bytes]:
    frames = [bytes([97 + number % 26]) * size for number, size in enumerate(sizes)]
    connection.outbox.extend(frames)
    return frames


def test_one_frame_is_written_as_it_is(connection: TinyConnection, wire: Wire, door: TinyDoor) -> None:
    """Whatever its length: it is shared by all who get it, and a page could hold no less."""
    (frame,) = queue(connection, PAGE + 1)
    assert not connection.flush()
    assert wire.written[0] is frame
    assert (door.traffic.frames_out, door.traffic.bytes_out) == (1, PAGE + 1)


def test_frames_that_fill_a_page_are_written_at_once(connection: TinyConnection, wire: Wire, door: TinyDoor) -> None:
    frames = queue(connection, PAGE - 1, 1)
    wire.waiting = 1  # so that a page would go frame by frame
    assert not connection.flush()
    assert wire.written == [b"".join(frames)]
    assert (door.traffic.frames_out, door.traffic.bytes_out) == (2, PAGE)


def test_a_longer_queue_goes_page_by_page_turn_by_turn(connection: TinyConnection, wire: Wire, door: TinyDoor) -> None:
    frames = queue(connection, PAGE, 1)
    assert [connection.flush() for _ in range(2)] == [True, False]
    assert wire.written == frames
    wire.written.clear()
    door.traffic.frames_out = door.traffic.bytes_out = 0
    frames = queue(connection, *[PAGE // 2] * 5)
    assert [connection.flush() for _ in range(3)] == [True, True, False]
    assert wire.written == [b"".join(frames[:2]), b"".join(frames[2:4]), frames[4]]
    assert (door.traffic.frames_out, door.traffic.bytes_out) == (5, 5 * (PAGE // 2))


def test_behind_a_backlog_the_shared_frames_are_passed_on(connection: TinyConnection, wire: Wire) -> None:
    """Stalled connections hold references, not copies."""
    frames = queue(connection, PAGE // 2, PAGE // 2, PAGE // 2)
    wire.waiting = 1
    assert connection.flush()
    assert [got is frame for got, frame in zip(wire.written, frames[:2], strict=True)] == [True, True]


def test_a_bulk_goes_in_larger_pages_with_pauses_between_them(
    connection: TinyConnection, wire: Wire, loop: FakeLoop
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


def test_a_bulk_of_one_frame_needs_no_pause(connection: TinyConnection, wire: Wire, loop: FakeLoop) -> None:
    queue(connection, BULK + 1)
    connection.slow_since = 1.0
    assert not connection.flush()
    assert len(wire.written) == 1
    assert loop.later == []
    connection.slow_since = None
    assert connection.has_room


async def test_a_peer_for_whom_too_much_waits_is_closed_and_gets_no_more(wire: Wire) -> None:
    door = TinyDoor(backlog_limit=1_000)
    connection = TinyConnection(1, door)
    connection._socket = connection._transport = wire
    connection._write = wire.write
    connection.pause_writing()
    queue(connection, 600, 400)
    wire.waiting = 1
    assert connection.queued_bytes == 1_001
    assert not connection.flush()
    assert wire.written == [text_frame(b'{"type":"disconnect"}'), b"close 1008"]
    assert (connection.ending, door.calls) == ("backlog", ["ended"])
    assert not connection.outbox


def test_before_the_socket_is_open_nothing_waits(door: TinyDoor, loop: FakeLoop) -> None:
    connection = TinyConnection(1, door)
    assert connection.queued_bytes == 0
    assert connection.has_room


async def test_a_held_socket_is_read_again_with_the_first_answer_that_leaves_room(wire: Wire, door: TinyDoor) -> None:
    connection = TinyConnection(1, door)
    connection._socket = connection._transport = wire
    connection._write = wire.write
    connection.is_drowning = True
    connection.hold(True)
    connection.send(b"one")
    assert wire.reading == [False]
    connection.is_drowning = False
    connection.send(b"two")
    assert wire.reading == [False, True]


def test_the_end_lets_a_socket_be_read_on_only_if_it_was_held(connection: TinyConnection, wire: Wire) -> None:
    """The peer's Close has to be read."""
    connection._end(1.0)
    assert wire.reading == []


def test_a_held_socket_is_read_on_at_the_end(connection: TinyConnection, wire: Wire) -> None:
    connection.hold(True)
    connection._end(1.0)
    assert wire.reading == [False, True]


@pytest.mark.parametrize("known", [None, "slow"])
def test_a_failure_of_ours_is_the_reason_unless_there_was_one_before(
    connection: TinyConnection, wire: Wire, known: Any
) -> None:
    connection.ending = known
    connection.fail()
    assert wire.is_aborted
    connection._end(1.0)
    assert connection.ending == (known or "failed")


async def test_before_the_end_a_peer_gets_what_waits_and_the_last_of_the_door(wire: Wire, door: TinyDoor) -> None:
    connection = TinyConnection(1, door)
    connection._socket = connection._transport = wire
    connection._write = wire.write
    connection.outbox.append(b"event")
    connection.end(1001, "the server stops", 1.0)
    connection.end(1001, "again", 2.0)
    assert wire.written == [b"event" + text_frame(b"last"), text_frame(b'{"type":"disconnect"}'), b"close 1001"]
    assert not connection.outbox
    assert connection.ended == 1.0


async def test_a_slow_peer_gets_goodbye_and_close_but_nothing_that_waits(wire: Wire, door: TinyDoor) -> None:
    connection = TinyConnection(1, door)
    connection._socket = connection._transport = wire
    connection._write = wire.write
    connection.pause_writing()
    connection.outbox.append(b"event")
    connection.end(1001, "the server stops", 1.0)
    assert wire.written == [text_frame(b'{"type":"disconnect"}'), b"close 1001"]


@pytest.fixture
async def url(door: TinyDoor) -> AsyncIterator[str]:
    async with served({PREFIX: door.open}) as base:
        yield f"{base}{PREFIX}secret"


async def test_the_calls_of_a_life_come_in_order_and_once(door: TinyDoor, url: str) -> None:
    async with RawSocket.dialled(url, hello=False) as peer:
        peer.write(frame(b"hi"))
        assert await peer.read() == (TEXT, b"HI")
        peer.write(frame(struct.pack("!H", 1000), CLOSE))
        assert await peer.read() == (CLOSE, struct.pack("!H", 1000))
    await eventually(lambda: door.calls[-1] == "closed")
    assert door.calls == ["open secret ", "opened", "ended", "closed"]
    assert dict(door.traffic.endings) == {"peer": 1}
    assert (door.traffic.frames_in, door.traffic.frames_out, door.traffic.bytes_out) == (1, 1, 4)


async def test_fragments_are_joined_with_a_ping_between_them_and_binary_is_read_as_text(
    door: TinyDoor, url: str
) -> None:
    async with RawSocket.dialled(url, hello=False) as peer:
        peer.write(frame(b"on", fin=False) + frame(b"x", PING) + frame(b"e", CONTINUATION) + frame(b"two", BINARY))
        got = [await peer.read() for _ in range(3)]
    assert (PONG, b"x") in got
    assert [payload for opcode, payload in got if opcode == TEXT] == [b"ONE", b"TWO"]
    assert door.traffic.frames_in == 2


@pytest.mark.parametrize(
    ("data", "code", "ending"),
    [
        (frame(b"x" * 600, fin=False) + frame(b"x" * 401, CONTINUATION), 1009, "too big"),
        (frame(b"x", CONTINUATION), 1002, "protocol"),
        (frame(b"x", fin=False) + frame(b"x", BINARY), 1002, "protocol"),
    ],
    ids=["too long", "no beginning", "no end"],
)
async def test_fragments_against_the_rules_end_the_connection(
    door: TinyDoor, url: str, data: bytes, code: int, ending: str
) -> None:
    async with RawSocket.dialled(url, hello=False) as peer:
        connection = await connected(door)
        peer.write(data)
        assert await peer.closed() == code
    assert connection.got == []
    assert dict(door.traffic.endings) == {ending: 1}


async def test_a_message_behind_the_close_is_not_received(door: TinyDoor, url: str) -> None:
    async with RawSocket.dialled(url, hello=False) as peer:
        connection = await connected(door)
        connection.end(1001, "over", door.clock.monotonic())
        peer.write(frame(b"late") + frame(struct.pack("!H", 1001), CLOSE))
        await eventually(lambda: "closed" in door.calls)
    assert connection.got == []
    assert door.traffic.frames_in == 0


async def test_a_message_that_the_door_cannot_take_drops_its_connection_and_no_other(
    door: TinyDoor, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receive = TinyConnection.receive

    def fails(connection: TinyConnection, data: bytes) -> None:
        if data == b"bad":
            raise MemoryError
        receive(connection, data)

    monkeypatch.setattr(TinyConnection, "receive", fails)
    async with RawSocket.dialled(url, hello=False) as bad, RawSocket.dialled(url, hello=False) as good:
        bad.write(frame(b"bad"))
        assert await bad.closed() is None
        good.write(frame(b"good"))
        assert await good.read() == (TEXT, b"GOOD")
    assert door.traffic.endings["failed"] == 1
    assert "its frame could not be handled" in caplog.text


async def test_a_refused_peer_gets_the_reason_and_a_close(
    door: TinyDoor, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(door: TinyDoor, connection: TinyConnection) -> None:
        door.keeper.add(connection)
        connection.refuse(b"no", 1.0)

    monkeypatch.setattr(TinyDoor, "opened", refuses)
    async with RawSocket.dialled(url, hello=False) as peer:
        assert await peer.read() == (TEXT, b"no")
        assert await peer.closed() == 1000
    assert dict(door.traffic.endings) == {"refused": 1}


async def test_an_end_is_in_the_log_with_its_reason(door: TinyDoor, url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        async with RawSocket.dialled(url, hello=False):
            connection = await connected(door)
        await eventually(lambda: "closed" in door.calls)
    assert f"connection {connection.number} of A1 ended: lost" in caplog.text
