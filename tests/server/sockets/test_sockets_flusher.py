"""In which order queued frames are written, and what a failure costs."""

import asyncio

import pytest

from tautwire.server.sockets import flusher as flusher_module
from tautwire.server.sockets.flusher import Flusher
from tautwire.session.outbox import Outbox


class Peer:
    """A connection that notes its writes in a list of all."""

    user = "U1"

    def __init__(self, number: int, writes: list[tuple[int, bytes]]) -> None:
        self.number = number
        self.outbox = Outbox()
        self.writes = writes
        self.pages = 1
        self.has_failed = False
        self.breaks = False

    def flush(self) -> bool:
        if self.breaks:
            raise MemoryError
        self.pages -= 1
        self.writes.append((self.number, b"" if self.pages > 0 else self.outbox.take_all()))
        return self.pages > 0

    def fail(self) -> None:
        self.has_failed = True


@pytest.fixture
def writes() -> list[tuple[int, bytes]]:
    return []


async def turn() -> None:
    await asyncio.sleep(0)


async def test_frames_of_a_tick_are_one_write_and_answers_go_first(writes: list[tuple[int, bytes]]) -> None:
    flusher = Flusher[Peer]()
    one, two = Peer(1, writes), Peer(2, writes)
    flusher.push(one, b"a")
    flusher.push(one, b"b")
    flusher.push(two, b"c")
    flusher.answer(two, b"answer")
    flusher.answer(two, b"pong", first=True)
    await turn()
    assert writes == [(2, b"pongcanswer"), (1, b"ab"), (2, b"")]


async def test_a_turn_writes_so_many_and_the_next_the_rest(
    writes: list[tuple[int, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "FLUSHES_PER_TURN", 2)
    flusher = Flusher[Peer]()
    for number in range(5):
        flusher.push(Peer(number, writes), b"x")
    seen = []
    for _ in range(3):
        await turn()
        seen.append(len(writes))
    assert seen == [2, 4, 5]


async def test_a_connection_with_more_to_write_goes_on_in_the_next_turn(writes: list[tuple[int, bytes]]) -> None:
    flusher = Flusher[Peer]()
    long, short = Peer(1, writes), Peer(2, writes)
    long.pages = 2
    flusher.push(long, b"page")
    flusher.push(short, b"x")
    await turn()
    assert writes == [(1, b""), (2, b"x")]
    await turn()
    assert writes[2:] == [(1, b"page")]


async def test_a_connection_that_cannot_be_written_is_dropped_and_the_others_are_written(
    writes: list[tuple[int, bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    flusher = Flusher[Peer]()
    bad, good = Peer(1, writes), Peer(2, writes)
    bad.breaks = True
    flusher.push(bad, b"x")
    flusher.push(good, b"y")
    await turn()
    assert (bad.has_failed, good.has_failed, writes) == (True, False, [(2, b"y")])
    assert "connection 1 of U1 ended: its queued frames could not be written" in caplog.text
