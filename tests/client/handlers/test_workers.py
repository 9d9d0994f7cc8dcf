"""The workers of a handler: who is not waited for when their queue is closed."""

import asyncio
import threading

import pytest

from fake import PATIENCE
from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.queue import Limits
from tautwire.client.handlers.workers import Callers, TaskQueue, ThreadQueue


def test_callers_are_known_and_reported_while_something_listens() -> None:
    callers = Callers("first")
    heard: list[bool] = []
    with callers.listening(lambda: heard.append("second" in callers)):
        callers.add("second")
    callers.add("third")
    assert heard == [True]
    assert all(each in callers for each in ("first", "second", "third"))
    assert callers.are_among(["other", "third"])
    assert not callers.are_among(["other"])


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
async def test_a_task_that_waits_for_the_end_is_neither_waited_for_nor_cancelled(moment: str) -> None:
    callers = Callers()
    release = asyncio.Event()
    began: list[object] = []
    ended: list[str] = []

    async def run(item: str) -> None:
        began.append(asyncio.current_task())
        await release.wait()
        ended.append(item)

    queue: TaskQueue[str] = TaskQueue(
        run,
        lambda error, item: None,
        lambda item, count: None,
        name="run",
        key_of=lambda item: item,
        concurrency=2,
        limits=Limits(10, 1000),
        flow=Backpressure(),
    )
    queue.put("a")
    await asyncio.sleep(0)
    if moment == "before":
        callers.add(began[0])
    closing = asyncio.create_task(queue.close(600.0, callers))
    await asyncio.sleep(0)
    if moment == "meanwhile":
        assert not closing.done()
        callers.add(began[0])
    assert await asyncio.wait_for(closing, PATIENCE)
    release.set()
    await asyncio.wait_for(began[0], PATIENCE)  # type: ignore[arg-type]
    assert ended == ["a"]


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
async def test_a_thread_that_waits_for_the_end_is_not_waited_for(moment: str) -> None:
    callers = Callers()
    release, started = threading.Event(), threading.Event()
    began: list[threading.Thread] = []

    def run(item: str) -> None:
        began.append(threading.current_thread())
        started.set()
        release.wait(PATIENCE)

    queue: ThreadQueue[str] = ThreadQueue(
        run,
        lambda error, item: None,
        lambda item, count: None,
        name="run",
        key_of=lambda item: item,
        concurrency=2,
        limits=Limits(10, 1000),
        flow=Backpressure(),
    )
    queue.put("a")
    assert await asyncio.to_thread(started.wait, PATIENCE)
    if moment == "before":
        callers.add(began[0])
    closing = asyncio.create_task(queue.close(600.0, callers))
    await asyncio.sleep(0)
    if moment == "meanwhile":
        assert not closing.done()
        callers.add(began[0])
    assert await asyncio.wait_for(closing, PATIENCE)
    release.set()
    began[0].join(PATIENCE)
    assert not began[0].is_alive()
