"""From the log to its readers: in order, without holes, whatever is handed in."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scene import eventually
from tautwire.server.log import feed as feed_module
from tautwire.server.log.entry import WORKSPACE, Entry
from tautwire.server.log.feed import Feed
from tautwire.server.log.tail import Tail
from tautwire.server.store.engine import StoreError


def entry(position: int) -> Entry:
    return Entry(position, "event", WORKSPACE, b"%d" % position)


class Stored:
    """The log as it is stored; reads of it can be held up or fail."""

    def __init__(self, head: int = 100) -> None:
        self.head = head
        self.page = 3
        self.failures = 0
        self.reads: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self, after: int, before: int) -> Sequence[Entry]:
        self.reads.append((after, before))
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise StoreError("not now")
        return [entry(position) for position in range(after + 1, min(before, after + 1 + self.page))]


class Seen:
    """A reader of the log."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    def __call__(self, entries: Sequence[Entry]) -> None:
        self.positions += [each.position for each in entries]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "RETRY_PAUSE", 0.001)


async def test_entries_in_order_are_handed_out_at_once() -> None:
    stored, first, second = Stored(), Seen(), Seen()
    feed = Feed(Tail(10), stored.read)
    feed.add(first)
    feed.add(second)

    feed.deliver([entry(11), entry(12)])
    feed.deliver([entry(13)])

    assert first.positions == second.positions == [11, 12, 13]
    assert (feed.position, stored.reads) == (13, [])


async def test_entries_that_were_delivered_before_are_left_out() -> None:
    stored, seen = Stored(), Seen()
    feed = Feed(Tail(10), stored.read)
    feed.add(seen)

    feed.deliver([entry(9), entry(10), entry(11)])
    feed.deliver([entry(11)])
    feed.deliver([])

    assert seen.positions == [11]
    assert stored.reads == []


async def test_missing_entries_are_read_from_the_store_before_the_ones_that_came() -> None:
    stored, seen = Stored(), Seen()
    feed = Feed(Tail(10), stored.read)
    feed.add(seen)
    stored.gate.clear()

    feed.deliver([entry(20)])
    feed.deliver([entry(21), entry(22)])
    assert seen.positions == []
    stored.gate.set()
    await eventually(lambda: feed.position == 22)

    assert seen.positions == list(range(11, 23))
    feed.deliver([entry(23)])
    assert seen.positions[-1] == 23, "it goes on at once"


async def test_a_store_that_cannot_be_read_now_is_read_later(caplog: pytest.LogCaptureFixture) -> None:
    stored, seen = Stored(), Seen()
    stored.failures = 3
    feed = Feed(Tail(0), stored.read)
    feed.add(seen)

    feed.deliver([entry(5)])
    await eventually(lambda: feed.position == 5)

    assert seen.positions == [1, 2, 3, 4, 5]
    assert caplog.text.count("cannot be read from entry 1 on") == 3


async def test_what_is_held_back_behind_a_hole_is_bounded_in_bytes_and_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "MAX_HELD", 20)  # ten entries of two bytes
    stored, seen = Stored(), Seen()
    feed = Feed(Tail(10), stored.read)
    feed.add(seen)
    stored.gate.clear()
    for position in range(20, 99):
        feed.deliver([entry(position)])
        assert len(feed._held) <= 10
    stored.gate.set()
    await eventually(lambda: feed.position == 98)

    assert seen.positions == list(range(11, 99))
    assert (len(feed._held), feed._held_bytes) == (0, 0)


async def test_a_reader_that_raises_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Sequence[Entry]) -> None:
        raise RuntimeError("a defect")

    seen = Seen()
    feed = Feed(Tail(0), Stored().read)
    feed.add(broken)
    feed.add(seen)

    feed.deliver([entry(1)])

    assert seen.positions == [1]
    assert "the others go on" in caplog.text


async def test_a_feed_that_stops_reads_no_more() -> None:
    stored = Stored()
    stored.gate.clear()
    feed = Feed(Tail(0), stored.read)
    feed.deliver([entry(5)])
    await asyncio.sleep(0)

    await feed.stop()

    assert feed.position == 0


@given(st.integers(0, 30), st.integers(1, 40), st.sampled_from([5, 4 * 2**20]), st.randoms())
def test_whatever_comes_in_whatever_order_each_entry_is_handed_out_once_in_order(
    start: int, count: int, held: int, chance: random.Random
) -> None:
    """Batches are lost, repeated, overlap and come late, as hints of other nodes do."""

    async def run() -> None:
        stored, seen = Stored(), Seen()
        stored.page = chance.randint(1, 5)
        feed = Feed(Tail(start), stored.read)
        feed.add(seen)
        end = start
        for _ in range(count):
            first = max(1, start + chance.randint(-3, 30))
            batch = [entry(first + number) for number in range(chance.randint(1, 4))]
            feed.deliver(batch)
            end = max(end, batch[-1].position)
            if chance.random() < 0.5:
                await asyncio.sleep(0)
        while feed.position < end:  # noqa: ASYNC110 - nothing reports it
            await asyncio.sleep(0)
        assert seen.positions == list(range(start + 1, end + 1))
        assert feed._held_bytes == sum(len(each.payload) for each in feed._held)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed_module, "MAX_HELD", held)
        asyncio.run(run())
