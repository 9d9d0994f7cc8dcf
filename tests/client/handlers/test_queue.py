"""What waits for a handler: bounds by items and bytes, what a full queue does, and that nothing is lost."""

import asyncio
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake import PATIENCE
from tautwire.client.backpressure import LONG, Backpressure
from tautwire.client.handlers.queue import KeyedQueue, Limits, Overflow
from tautwire.client.handlers.workers import Callers, TaskQueue, ThreadQueue

Item = tuple[str, int]
KINDS = ["task", "thread"]


class Queue(KeyedQueue[Item]):
    """The queue and one worker, which takes an item when it is told to."""

    def __init__(self, limits: Limits, flow: Backpressure | None = None) -> None:
        self.flow = flow or Backpressure()
        self.gone: list[Item] = []
        self.reports: list[int] = []
        super().__init__("handler", lambda item: item[0], limits, self.flow, self._note)

    def _note(self, item: Item, count: int) -> None:
        self.gone.append(item)
        if count:
            self.reports.append(count)

    def _awaken(self) -> None:
        """The test says when."""

    def put_sized(self, item: Item, size: int) -> None:
        self.flow.frame = bytes(size)
        self.put(item)

    def run(self) -> Item | None:
        """Take the next item, as a worker does."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        items = self._conversations[key]
        found = None
        if items:
            found, size = items.popleft()
            self.waiting -= 1
            self.size -= size
            if self.waiting <= self._room_at:
                self._look_for_room()
        if items:
            self._ready.append(key)
        else:
            del self._conversations[key]
        return found

    def run_all(self) -> None:
        while self.run() is not None:
            pass


def lanes(kind: str, run: Callable[[Item], object], limits: Limits, flow: Backpressure, concurrency: int = 3) -> Any:
    """Make a queue that is worked on by a task or by threads."""

    async def coroutine(item: Item) -> None:
        run(item)
        await asyncio.sleep(0)

    def nothing(*_: object) -> None: ...

    def key_of(item: Item) -> str:
        return item[0]

    if kind == "task":
        return TaskQueue(
            coroutine, nothing, nothing, name="h", key_of=key_of, concurrency=concurrency, limits=limits, flow=flow
        )
    return ThreadQueue(
        run, nothing, nothing, name="h", key_of=key_of, concurrency=concurrency, limits=limits, flow=flow
    )


ACTIONS = st.lists(st.one_of(st.none(), st.tuples(st.sampled_from("abc"), st.integers(0, 40))), max_size=80)


@given(actions=ACTIONS, limit=st.integers(1, 6), size=st.integers(1, 120))
@settings(deadline=None)
def test_a_pause_is_wanted_exactly_while_too_much_waits(
    actions: list[tuple[str, int] | None], limit: int, size: int
) -> None:
    """None runs an item; anything else puts one of so many bytes. All that is put is run once and in order."""
    queue = Queue(Limits(limit, size, "pause"))
    soft = max(1, size // 2)
    left: dict[str, list[tuple[int, int]]] = {key: [] for key in "abc"}
    is_full = is_stuffed = False

    def waiting() -> tuple[int, int]:
        sizes = [each for items in left.values() for _, each in items]
        return len(sizes), sum(sizes)

    for number, action in enumerate([*actions, *([None] * len(actions))]):
        count, total = waiting()
        if action is not None:
            key, cost = action
            is_full = is_full or count >= limit or total >= soft
            is_stuffed = is_stuffed or total >= size
            queue.put_sized((key, number), cost)
            left[key].append((number, cost))
        else:
            ran = queue.run()
            assert (ran is None) == (count == 0)
            if ran is not None:
                assert left[ran[0]].pop(0)[0] == ran[1]
                count, total = waiting()
                is_full = is_full and (count > limit // 2 or total > soft // 2)
                is_stuffed = is_stuffed and total >= size
        assert (queue.waiting, queue.size) == waiting()
        assert (queue.flow.is_full, queue.flow.is_stuffed) == (is_full, is_stuffed)
    assert not queue.flow.is_full
    assert queue.gone == []


@given(actions=ACTIONS, limit=st.integers(1, 6), size=st.integers(1, 120), newest=st.booleans())
@settings(deadline=None)
def test_a_queue_that_drops_stays_within_its_bounds(
    actions: list[tuple[str, int] | None], limit: int, size: int, newest: bool
) -> None:
    """One item may be larger than all bytes together: then it waits alone."""
    queue = Queue(Limits(limit, size, "drop_newest" if newest else "drop_oldest"))
    put: list[Item] = []
    ran: list[Item] = []
    largest = 0
    for number, action in enumerate([*actions, *([None] * len(actions))]):
        if action is None:
            item = queue.run()
            ran += [] if item is None else [item]
        else:
            put.append((action[0], number))
            queue.put_sized(put[-1], action[1])
            largest = max(largest, action[1])
        assert queue.waiting <= limit
        assert queue.size < size + largest or queue.size == 0
        assert not queue.flow.is_full
    assert queue.waiting == queue.size == 0
    assert sorted(ran + queue.gone, key=lambda item: item[1]) == put
    assert len(queue.gone) == queue.dropped
    for key in "abc":
        assert [item for item in ran if item[0] == key] == sorted(item for item in ran if item[0] == key)


@pytest.mark.parametrize("overflow", ["drop_newest", "drop_oldest"])
def test_drops_are_reported_again_after_the_queue_was_half_empty(overflow: Overflow) -> None:
    queue = Queue(Limits(10, 1 << 20, overflow))
    for number in range(12):
        queue.put(("a", number))
    assert queue.reports == [1]
    for number in range(50):  # one place is free, and taken, again and again
        queue.run()
        queue.put(("a", 100 + number))
        queue.put(("a", 200 + number))
    assert queue.reports == [1]
    assert queue.dropped == 52
    while queue.waiting > 5:
        queue.run()
    for number in range(6):
        queue.put(("a", 300 + number))
    assert queue.dropped == 53
    assert queue.reports == [1, 52], "the drops since the last report"


def test_bytes_are_a_bound_of_their_own() -> None:
    queue = Queue(Limits(1_000, 100, "drop_newest"))
    for number in range(5):
        queue.put_sized(("a", number), 50)
    assert (queue.waiting, queue.size, queue.dropped) == (2, 100, 3)
    queue.run_all()
    queue.put_sized(("a", 9), 5_000)
    assert (queue.waiting, queue.dropped) == (1, 3), "what is larger than all room is taken alone"


def test_a_large_newcomer_takes_the_place_of_as_many_as_it_needs() -> None:
    queue = Queue(Limits(1_000, 100, "drop_oldest"))
    for number in range(10):
        queue.put_sized(("a", number), 10)
    for number in range(10, 13):
        queue.put_sized(("a", number), 90)
    assert [number for _, number in queue.gone] == [*range(11)]
    assert queue.size == 180


def test_reading_goes_on_when_the_last_full_queue_has_room() -> None:
    flow = Backpressure()
    first, second = Queue(Limits(2, 1 << 20), flow), Queue(Limits(2, 1 << 20), flow)
    for queue in (first, second):
        for number in range(3):
            queue.put(("a", number))
    first.run_all()
    assert flow.is_full
    second.run_all()
    assert not flow.is_full


def test_a_long_pause_is_reported_once_with_all_that_cause_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    monkeypatch.setattr("tautwire.client.backpressure.monotonic", lambda: now)
    flow = Backpressure()
    flow.mark("one", "first", is_full=True, is_stuffed=False)
    now += LONG - 1
    flow.mark("two", "second", is_full=True, is_stuffed=False)
    flow.report()
    assert caplog.text == ""
    now += 1
    for _ in range(2):
        flow.report()
    assert [each.message for each in caplog.records] == [
        "nothing was read for 10 s: the queue is full of handler first, second"
    ]
    for queue in ("one", "two"):
        flow.mark(queue, "any", is_full=False, is_stuffed=False)
    now += LONG
    flow.report()
    flow.mark("one", "first", is_full=True, is_stuffed=False)
    now += LONG
    flow.report()
    assert len(caplog.records) == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_readers_are_called_after_each_change_until_they_are_forgotten(kind: str) -> None:
    flow, go_on = Backpressure(), threading.Event()
    seen: list[bool] = []

    def reader() -> None:
        seen.append(flow.is_full)

    flow.listen(reader)
    queue = lanes(kind, lambda _: None if kind == "task" else go_on.wait(PATIENCE), Limits(2, 1 << 20), flow)
    for number in range(6):
        queue.put(("a", number))
    await soon(lambda: seen)
    assert seen[0]
    go_on.set()
    await soon(lambda: len(seen) == 2)
    assert seen == [True, False]
    flow.forget(reader)
    flow.forget(reader)
    await soon(lambda: queue.waiting == 0)
    for number in range(6):
        queue.put(("a", number))
    await queue.close(PATIENCE, Callers())
    assert seen == [True, False]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["abort", "abort elsewhere", "close"])
async def test_a_queue_that_ends_holds_up_no_reader(kind: str, end: str) -> None:
    flow, begun, go_on = Backpressure(), threading.Event(), threading.Event()

    def run(_: Item) -> None:
        begun.set()
        go_on.wait(PATIENCE if kind == "thread" else 0.01)

    queue = lanes(kind, run, Limits(2, 100), flow)
    for number in range(30):
        queue.put((str(number % 5), number))
    assert flow.is_full
    assert flow.is_stuffed
    await soon(begun.is_set)
    if end == "abort":
        queue.abort()
    elif end == "abort elsewhere":
        await asyncio.to_thread(queue.abort)
    else:
        closing = asyncio.create_task(queue.close(0.0, Callers()))
        await soon(lambda: not flow.is_full)
        go_on.set()
        assert await closing
    await soon(lambda: not flow.is_full)
    assert not flow.is_stuffed
    for number in range(30):
        queue.put((str(number), number))
    assert (queue.waiting, queue.size) == (0, 0), "a stopped queue takes nothing"
    assert not flow.is_full
    go_on.set()
    async with asyncio.timeout(PATIENCE):
        assert await queue.close(3_600.0, Callers()), "what is forgotten is not waited for"


@pytest.mark.parametrize("kind", KINDS)
async def test_no_wake_up_is_lost(kind: str) -> None:
    """A reader that stops whenever it is to, over a queue so small that it stops all the time."""
    flow, room = Backpressure(), asyncio.Event()
    lock = threading.Lock()
    ran: dict[str, list[int]] = {key: [] for key in "abcde"}
    chance = random.Random(7)

    def run(item: Item) -> None:
        with lock:
            ran[item[0]].append(item[1])

    flow.listen(room.set)
    queue = lanes(kind, run, Limits(3, 1 << 20), flow)
    stops = 0
    for number in range(5_000):
        if flow.is_full:
            stops += 1
            async with asyncio.timeout(PATIENCE):
                while flow.is_full:
                    room.clear()
                    if flow.is_full:
                        await room.wait()
        queue.put((chance.choice("abcde"), number))
        assert queue.waiting <= 4
    assert await queue.close(PATIENCE, Callers())
    assert stops > 100
    assert sorted(number for numbers in ran.values() for number in numbers) == list(range(5_000))
    assert all(numbers == sorted(numbers) for numbers in ran.values())


async def test_a_slow_thread_holds_no_more_than_it_is_at() -> None:
    """Else a reader would wait for all that was taken in one go."""
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def run(_: Item) -> None:
        begun.release()
        go_on.acquire(timeout=PATIENCE)
        time.sleep(0.002)  # longer than a quick handler takes

    flow = Backpressure()
    queue = lanes("thread", run, Limits(4, 1 << 20), flow, concurrency=1)
    for number in range(6):
        queue.put(("a", number))
    assert flow.is_full
    for done in range(4):
        await asyncio.to_thread(begun.acquire, timeout=PATIENCE)
        assert queue.waiting == 6 - done
        go_on.release()
    await soon(lambda: not flow.is_full)
    assert queue.waiting == 2
    for _ in range(2):
        go_on.release()
    assert await queue.close(PATIENCE, Callers())


async def soon(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (conditions are many, and nothing signals them)
            await asyncio.sleep(0.001)
