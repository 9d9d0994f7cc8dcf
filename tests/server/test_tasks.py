"""Tasks are ended: what ends them, and what ends the one that waits for it."""

import asyncio
import threading

import pytest

from tautwire.server.tasks import all_of, cancel, open_in_thread


async def last(release: asyncio.Event) -> None:
    """A task that does something at its end."""
    try:
        await asyncio.Event().wait()
    finally:
        await release.wait()


async def begun(release: asyncio.Event) -> asyncio.Task[None]:
    task = asyncio.create_task(last(release))
    await asyncio.sleep(0)
    return task


async def test_a_task_is_ended_when_the_call_returns() -> None:
    release = asyncio.Event()
    task = await begun(release)
    ending = asyncio.create_task(cancel(task))
    await asyncio.sleep(0.01)
    assert not ending.done()
    release.set()
    await ending
    assert task.cancelled()


async def test_the_error_of_a_task_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("it failed")

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="it failed"):
        await cancel(task)


async def test_a_caller_that_is_cancelled_meanwhile_is_cancelled() -> None:
    release = asyncio.Event()
    task = await begun(release)
    ending = asyncio.create_task(cancel(task))
    await asyncio.sleep(0)
    ending.cancel()
    release.set()
    await asyncio.wait({ending, task})
    assert ending.cancelled()


async def test_all_steps_end_before_the_error_of_one_is_raised() -> None:
    notes = list[str]()

    async def fail() -> None:
        raise ValueError("it failed")

    async def take_long() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        notes.append("ended")

    with pytest.raises(ValueError, match="it failed"):
        await all_of(fail(), take_long())
    assert notes == ["ended"]


async def test_all_steps_end_before_a_cancellation_does() -> None:
    begun, notes = asyncio.Event(), list[str]()

    async def end_late() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(3):
                await asyncio.sleep(0)
            notes.append("ended")

    async def end_at_once() -> None:
        await asyncio.Event().wait()

    steps = asyncio.create_task(all_of(end_at_once(), end_late()))
    await begun.wait()
    await cancel(steps)
    assert notes == ["ended"]


class Opened:
    """What a thread opens when it may, and that notes its end."""

    def __init__(self, may_open: threading.Event) -> None:
        self.closed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._may_open = may_open

    def make(self) -> "Opened":
        self._may_open.wait(10.0)
        return self

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self.closed.set)


async def test_what_is_opened_in_a_thread_is_returned_open() -> None:
    may_open = threading.Event()
    may_open.set()
    opened = Opened(may_open)
    assert await open_in_thread(opened.make) is opened
    assert not opened.closed.is_set()


async def test_what_is_opened_for_a_caller_that_was_cancelled_is_closed() -> None:
    may_open = threading.Event()
    opened = Opened(may_open)
    opening = asyncio.create_task(open_in_thread(opened.make))
    await asyncio.sleep(0.01)
    await cancel(opening)
    assert not opened.closed.is_set()
    may_open.set()
    async with asyncio.timeout(10.0):
        await opened.closed.wait()


async def test_the_error_of_what_cannot_be_opened_is_raised() -> None:
    def fail() -> Opened:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        await open_in_thread(fail)
