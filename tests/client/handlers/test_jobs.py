"""Jobs: when the next run is due, that runs follow each other, and how a job retires."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive import until
from tautwire import Metrics, Run
from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.jobs import Job, next_due
from tautwire.client.handlers.steps import Step
from tautwire.client.handlers.workers import Callers

FAR = 3600.0
"""Seconds after which no test runs any more."""


@pytest.mark.parametrize(
    ("due", "now", "then"),
    [(10.0, 10.0, 15.0), (10.0, 10.1, 15.0), (10.0, 14.9, 15.0), (10.0, 15.1, 20.0), (10.0, 33.0, 35.0)],
)
def test_jobs_do_not_drift_or_pile_up(due: float, now: float, then: float) -> None:
    assert next_due(due, 5.0, now) == then


def test_a_clock_that_seems_to_go_back_brings_no_run_forward() -> None:
    assert next_due(10.0, 5.0, 9.9) == 15.0


@given(st.integers(1, 1000), st.integers(0, 100_000))
def test_the_next_run_is_the_first_multiple_that_is_not_over(seconds: int, late: int) -> None:
    then = next_due(0.0, float(seconds), float(late))
    assert then % seconds == 0
    assert max(seconds, late) <= then < max(late, 1) + seconds


class Runs:
    """A step in disguise, whose runs are awaited until the test lets them end."""

    def __init__(self) -> None:
        self.lates: list[float] = []
        self.under_way = 0
        self.go_on = asyncio.Event()

    async def run(self, late: float) -> None:
        self.lates.append(late)
        self.under_way += 1
        try:
            await self.go_on.wait()
        finally:
            self.under_way -= 1


async def ended(task: "asyncio.Task[None] | None") -> None:
    assert task is not None
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_job_waits_its_seconds_unless_it_runs_at_once() -> None:
    later, at_once = Runs(), Runs()
    jobs = [Job(later, FAR, at_once=False), Job(at_once, FAR, at_once=True)]  # type: ignore[arg-type]
    for each in jobs:
        each.begin()
    await until(lambda: at_once.lates)
    assert later.lates == []
    assert 0 <= at_once.lates[0] < FAR
    for each in jobs:
        await ended(each.retire())


async def test_the_next_run_begins_only_when_the_last_one_is_over() -> None:
    runs: Any = Runs()
    job = Job(runs, 0.001, at_once=True)
    job.begin()
    await until(lambda: runs.under_way)
    began = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() > began + 0.01)  # ten times its seconds
    assert len(runs.lates) == 1
    runs.go_on.set()
    await until(lambda: len(runs.lates) > 3)
    await ended(job.retire())


async def test_a_job_that_never_began_has_nothing_to_retire() -> None:
    assert Job(Runs(), FAR, at_once=True).retire() is None  # type: ignore[arg-type]


async def test_a_run_that_is_under_way_when_the_job_retires_goes_on() -> None:
    began, go_on, steps = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        began.set()
        await go_on.wait()
        steps.append("done")

    step = Step(work, lambda *_: None, Backpressure())
    job = Job(step, 0.001, at_once=True)
    job.begin()
    await began.wait()
    await ended(job.retire())
    assert steps == []
    go_on.set()
    await until(lambda: steps == ["done"])
    (binding,) = step.bindings
    assert await binding.close(0.0, Callers())
    assert steps == ["done"]  # no other run began


async def test_a_run_that_comes_late_is_measured_with_its_lag() -> None:
    ran: list[Run] = []

    class Noted(Metrics):
        def handler_ran(self, run: Run) -> None:
            ran.append(run)

    async def work() -> None: ...

    step = Step(work, lambda *_: None, Backpressure())
    job = Job(step, FAR, at_once=True)
    job.measure(Noted())
    job.begin()
    await until(lambda: ran)
    assert ran[0].handler == work.__qualname__
    assert 0 <= ran[0].lag < FAR
    assert ran[0].error is None
    await ended(job.retire())
    (binding,) = step.bindings
    await binding.close(0.0, Callers())
