"""The sweep and the stop of a door that is not RTM."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable

import pytest

from rawsocket import CLOSE, PING, TEXT, RawSocket, frame
from scene import TurnedClock, eventually
from tautwire.server.sockets.keeper import CLOSE_PATIENCE, Policy
from tinydoor import PREFIX, TinyConnection, TinyDoor, connected, served

GOODBYE = b'{"type":"disconnect"}'


def policy(*, drain: float = 0, pings_always: bool = False) -> Policy:
    return Policy(ping_interval=30, silence_limit=150, slow_deadline=10, drain=drain, pings_always=pings_always)


@pytest.fixture
async def url(door: TinyDoor) -> AsyncIterator[str]:
    async with served({PREFIX: door.open}) as base:
        yield f"{base}{PREFIX}secret"


@pytest.fixture
def door(clock: TurnedClock) -> TinyDoor:
    return TinyDoor(policy(), clock=clock)


def sweep(door: TinyDoor, clock: TurnedClock, seconds: float = 0.0) -> None:
    clock.offset += seconds
    door.keeper.sweep()


async def heard(connection: TinyConnection, peer: RawSocket) -> None:
    """Have the peer say something, and wait until the server has it."""
    count = len(connection.got)
    peer.write(frame(b"x"))
    await eventually(lambda: len(connection.got) > count)


async def test_a_silent_peer_gets_one_ping_and_then_is_dropped(door: TinyDoor, clock: TurnedClock, url: str) -> None:
    async with RawSocket.dialled(url, hello=False) as peer:
        connection = await connected(door)
        for seconds in (29, 2, 1, 100):
            sweep(door, clock, seconds)
        connection.send(b"fence")
        assert [await peer.read() for _ in range(2)] == [(PING, b""), (TEXT, b"fence")]
        sweep(door, clock, 20)
        assert await peer.closed() is None
    await eventually(lambda: dict(door.traffic.endings) == {"silent": 1})


async def test_each_silence_has_its_ping(door: TinyDoor, clock: TurnedClock, url: str) -> None:
    async with RawSocket.dialled(url, hello=False) as peer:
        connection = await connected(door)
        for _ in range(2):
            sweep(door, clock, 31)
            assert await peer.read() == (PING, b"")
            await heard(connection, peer)
            assert await peer.read() == (TEXT, b"X")


async def test_a_door_may_ping_its_busy_peers_too(clock: TurnedClock) -> None:
    door = TinyDoor(policy(pings_always=True), clock=clock)
    async with (
        served({PREFIX: door.open}) as base,
        RawSocket.dialled(f"{base}{PREFIX}secret", hello=False) as peer,
    ):
        connection = await connected(door)
        for _ in range(2):
            sweep(door, clock, 29)
            await heard(connection, peer)
            assert await peer.read() == (TEXT, b"X")
            sweep(door, clock, 1)
            assert await peer.read() == (PING, b"")


async def test_a_peer_that_does_not_read_is_closed_after_the_deadline(
    door: TinyDoor, clock: TurnedClock, url: str
) -> None:
    async with RawSocket.dialled(url, buffer=1_000, hello=False) as peer:
        connection = await connected(door)
        while not connection.is_slow:
            connection.send(b"x" * 60_000)
            await asyncio.sleep(0)
        sweep(door, clock, 9)
        assert connection.ended is None
        sweep(door, clock, 2)
        assert connection.ended is not None
        assert await peer.closed() == 1008
    await eventually(lambda: dict(door.traffic.endings) == {"slow": 1})


async def test_a_peer_that_does_not_answer_a_close_is_dropped(door: TinyDoor, clock: TurnedClock, url: str) -> None:
    async with RawSocket.dialled(url, hello=False):
        connection = await connected(door)
        connection.end(1001, "over", clock.monotonic())
        sweep(door, clock, CLOSE_PATIENCE - 1)
        assert door.keeper.connections
        sweep(door, clock, 2)
        await eventually(lambda: not door.keeper.connections)


async def test_a_stop_sends_goodbye_and_the_close_after_the_drain(clock: TurnedClock) -> None:
    door = TinyDoor(policy(drain=0.05), clock=clock)
    async with served({PREFIX: door.open}) as base, RawSocket.dialled(f"{base}{PREFIX}secret", hello=False) as peer:
        await connected(door)
        stopping = asyncio.create_task(door.keeper.stop())
        assert await peer.read() == (TEXT, GOODBYE)
        peer.write(frame(b"the rest"))
        assert await peer.read() == (TEXT, b"THE REST"), "in the drain all goes on"
        assert await peer.read() == (TEXT, b"last")
        assert await peer.read() == (CLOSE, struct.pack("!H", 1001) + b"the server stops")
        peer.write(frame(struct.pack("!H", 1001), CLOSE))
        await stopping
    assert not door.keeper.connections
    assert dict(door.traffic.endings) == {"server stops": 1}


async def test_a_stop_waits_for_every_peer(door: TinyDoor, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.server.sockets.keeper.END_PATIENCE", 10.0)
    answer = frame(struct.pack("!H", 1001), CLOSE)
    async with RawSocket.dialled(url, hello=False) as one, RawSocket.dialled(url, hello=False) as two:
        await eventually(lambda: len(door.keeper.connections) == 2)
        stopping = asyncio.create_task(door.keeper.stop())
        for peer in (one, two):
            while (await peer.read())[0] != CLOSE:
                pass
        one.write(answer)
        await eventually(lambda: len(door.keeper.connections) == 1)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not stopping.done()
        two.write(answer)
        await stopping
    assert not door.keeper.connections


async def test_a_stop_drops_a_peer_that_does_not_answer(
    door: TinyDoor, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.sockets.keeper.END_PATIENCE", 0.05)
    async with RawSocket.dialled(url, hello=False):
        await connected(door)
        await door.keeper.stop()
        await eventually(lambda: not door.keeper.connections)


@pytest.mark.parametrize(
    ("step", "act"),
    [("_look_after", lambda door: door.keeper.sweep()), ("_say_goodbye", lambda door: None)],
)
async def test_a_failure_for_one_connection_drops_it_alone(
    door: TinyDoor,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: str,
    act: Callable[[TinyDoor], None],
) -> None:
    async with RawSocket.dialled(url, hello=False) as one:
        first = await connected(door)
        async with RawSocket.dialled(url, hello=False) as two:
            await eventually(lambda: len(door.keeper.connections) == 2)
            goes_on = getattr(door.keeper, step)

            def fails(connection: TinyConnection, *rest: float) -> None:
                if connection is first:
                    raise MemoryError
                goes_on(connection, *rest)

            monkeypatch.setattr(door.keeper, step, fails)
            act(door)
            stopping = asyncio.create_task(door.keeper.stop())
            assert await one.closed() is None
            assert await two.closed() == 1001
            await stopping
    assert door.traffic.endings == {"failed": 1, "server stops": 1}
    assert f"connection {first.number} of A1 ended: " in caplog.text


def test_numbers_are_of_the_whole_process(door: TinyDoor) -> None:
    numbers = [door.keeper.next_number(), TinyDoor().keeper.next_number(), door.keeper.next_number()]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0
