"""How one failure stays one, and how an end waits for all that belongs to it."""

import asyncio
import logging

import pytest

from tautwire.client.guard import check_loop, finished, isolated, unless_hurried


def test_a_step_that_raises_is_logged_by_its_name_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    def step(number: int) -> None:
        raise ValueError(f"number {number}")

    with caplog.at_level(logging.ERROR, "tautwire.client"):
        assert not isolated(step, 7)
    assert "step was not carried out" in caplog.text
    assert "number 7" in caplog.text


def test_a_step_that_works_gets_its_arguments_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[int, str]] = []
    assert isolated(lambda number, text: seen.append((number, text)), 7, "seven")
    assert seen == [(7, "seven")]
    assert not caplog.records


def test_what_ends_a_program_goes_through_a_step() -> None:
    def step() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        isolated(step)


async def test_a_client_of_a_loop_that_was_closed_cannot_go_on() -> None:
    there = asyncio.new_event_loop()
    there.close()
    with pytest.raises(RuntimeError, match="make a new client"):
        check_loop(there)


async def test_finished_returns_the_result_or_raises_the_error_of_the_task() -> None:
    async def give() -> int:
        await asyncio.sleep(0)
        return 7

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("seven")

    assert await finished(asyncio.create_task(give())) == 7
    with pytest.raises(ValueError, match="seven"):
        await finished(asyncio.create_task(fail()))


async def test_finished_passes_a_cancellation_on_only_when_the_task_is_done() -> None:
    release = asyncio.Event()
    task = asyncio.create_task(release.wait())
    waiter = asyncio.create_task(finished(task))
    for _ in range(3):  # as anyio does: at each await
        await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.sleep(0)
        assert not waiter.done()
        assert not task.cancelled()
    release.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert task.result() is True


async def test_work_that_is_not_hurried_ends_by_itself_and_raises_what_went_wrong() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("seven")

    hurry = asyncio.Event()
    assert await unless_hurried(asyncio.sleep(0), hurry)
    with pytest.raises(ValueError, match="seven"):
        await unless_hurried(fail(), hurry)


async def test_work_that_is_hurried_is_cancelled_and_waited_for() -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    hurry = asyncio.Event()
    asyncio.get_running_loop().call_soon(hurry.set)
    assert not await unless_hurried(work(), hurry)
    assert steps == ["cleaned up"]


async def test_a_caller_that_is_cancelled_takes_its_work_along() -> None:
    began = asyncio.Event()
    ended: list[bool] = []

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    caller = asyncio.create_task(unless_hurried(work(), asyncio.Event()))
    await began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended == [True]
