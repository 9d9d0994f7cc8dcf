"""Tasks are ended: what ends them, and what ends the one that waits for it."""

import asyncio

import pytest

from tautwire.server.tasks import cancel


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
