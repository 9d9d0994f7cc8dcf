"""Steps: functions without arguments that run as handlers do, and whose end is awaited."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from drive import until
from fake import PATIENCE
from tautwire import Metrics, Run
from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.steps import Step
from tautwire.client.handlers.workers import Callers

Reports = list[tuple[BaseException, Any, str]]
MakeStep = Callable[..., Step]

both_kinds = pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "plain"])


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
async def make_step(reports: Reports) -> AsyncIterator[MakeStep]:
    made: list[Step] = []

    def make(function: Any, **options: Any) -> Step:
        made.append(
            Step(
                function,
                lambda error, item, binding: reports.append((error, item, binding.name)),
                Backpressure(),
                **options,
            )
        )
        return made[-1]

    yield make
    for step in made:
        for binding in step.bindings:
            await binding.close(0.0, Callers())


def doing(act: Callable[[], Any], *, is_async: bool) -> Callable[[], Any]:
    """Return a function of the kind that does this."""

    async def coroutine() -> None:
        act()

    def plain() -> None:
        act()

    return coroutine if is_async else plain


@both_kinds
async def test_run_returns_when_the_function_is_over(make_step: MakeStep, is_async: bool) -> None:
    threads: list[int] = []
    step = make_step(doing(lambda: threads.append(threading.get_ident()), is_async=is_async))
    await step.run()
    await step.run()
    assert len(threads) == 2
    assert all((each == threading.get_ident()) is is_async for each in threads)


@both_kinds
async def test_what_the_function_raises_is_reported_before_run_returns(
    make_step: MakeStep, reports: Reports, is_async: bool
) -> None:
    error = ValueError("no")

    def act() -> None:
        raise error

    function = doing(act, is_async=is_async)
    await make_step(function).run()
    assert reports == [(error, None, function.__qualname__)]


@both_kinds
async def test_a_step_that_raises_raises_and_reports_nothing(
    make_step: MakeStep, reports: Reports, is_async: bool
) -> None:
    def act() -> None:
        raise ValueError("no")

    step = make_step(doing(act, is_async=is_async), raises=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            await step.run()
    assert reports == []


async def test_a_stop_iteration_is_raised_as_something_a_future_takes(make_step: MakeStep) -> None:
    def act() -> None:
        next(iter(()))

    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await make_step(act, raises=True).run()


async def test_a_plain_function_that_returns_a_coroutine_is_a_mistake(make_step: MakeStep, reports: Reports) -> None:
    async def work() -> None: ...

    def plain() -> Any:
        return work()

    await make_step(plain).run()
    assert [(type(error), item) for error, item, _ in reports] == [(TypeError, None)]
    with pytest.raises(TypeError, match="make it an async function"):
        await make_step(plain, raises=True).run()


async def test_objects_and_partials_of_coroutine_functions_run_on_the_loop(make_step: MakeStep) -> None:
    ran: list[tuple[int, int]] = []

    class Work:
        async def __call__(self) -> None:
            ran.append((0, threading.get_ident()))

    async def number(value: int) -> None:
        ran.append((value, threading.get_ident()))

    steps = [make_step(Work()), make_step(partial(number, 1))]
    for step in steps:
        await step.run()
    assert ran == [(0, threading.get_ident()), (1, threading.get_ident())]
    assert [step.name for step in steps] == [Work.__qualname__, "partial"]
    assert [step.bindings[0].name for step in steps] == [step.name for step in steps]


@pytest.mark.parametrize("raises", [False, True])
async def test_a_function_that_was_cancelled_within_ends_the_wait(
    make_step: MakeStep, reports: Reports, raises: bool
) -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    step = make_step(work, raises=raises)
    if raises:
        with pytest.raises(asyncio.CancelledError):
            await step.run()
    else:
        await step.run()
    assert not step.is_run_by(asyncio.current_task())


@both_kinds
async def test_the_function_goes_on_though_run_is_cancelled(
    make_step: MakeStep, reports: Reports, is_async: bool
) -> None:
    began, go_on, done = threading.Event(), threading.Event(), threading.Event()

    async def work_async() -> None:
        began.set()
        await until(go_on.is_set)
        done.set()
        raise ValueError("late")

    def work() -> None:
        began.set()
        go_on.wait(PATIENCE)
        done.set()
        raise ValueError("late")

    run = asyncio.create_task(make_step(work_async if is_async else work).run())
    await until(began.is_set)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert not done.is_set()
    go_on.set()
    await until(lambda: reports)
    assert done.is_set()
    assert str(reports[0][0]) == "late"


@both_kinds
async def test_it_is_known_who_runs_the_function_and_only_while_it_does(make_step: MakeStep, is_async: bool) -> None:
    runners: list[Any] = []
    answers: list[bool] = []

    def act() -> None:
        runners.append(asyncio.current_task() if is_async else threading.current_thread())
        answers.append(step.is_run_by(runners[0]))
        answers.append(step.is_run_by(None))

    step = make_step(doing(act, is_async=is_async))
    assert not step.is_run_by(None)
    await step.run()
    assert answers == [True, False]
    await until(lambda: not step.is_run_by(runners[0]))  # a thread may still be on its way out


async def test_a_step_that_was_aborted_runs_no_more(make_step: MakeStep) -> None:
    ran: list[bool] = []
    step = make_step(doing(lambda: ran.append(True), is_async=True))
    await step.run()
    step.abort()
    assert step.bindings == ()
    run = asyncio.create_task(step.run())
    for _ in range(5):  # turns of the loop, in which it would run
        await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait([run])
    assert ran == [True]


@both_kinds
async def test_each_run_is_measured_with_its_lag_and_its_error(make_step: MakeStep, is_async: bool) -> None:
    ran: list[Run] = []
    errors = [None, ValueError("no")]
    left = iter(errors)

    class Noted(Metrics):
        def handler_ran(self, run: Run) -> None:
            ran.append(run)

    def act() -> None:
        error = next(left)
        if error is not None:
            raise error

    function = doing(act, is_async=is_async)
    step = make_step(function)
    step.measure(Noted())
    await step.run()
    await step.run(late=1000.0)
    await until(lambda: len(ran) == 2)
    assert [(each.handler, each.item, each.error) for each in ran] == [
        (function.__qualname__, None, error) for error in errors
    ]
    assert 0 <= ran[0].lag < 1000 <= ran[1].lag < 2000
    assert all(0 <= each.seconds < 1000 for each in ran)


def test_a_thread_that_outlives_its_loop_harms_nothing(reports: Reports) -> None:
    """The client left it behind; the loop that waited for it is closed."""
    began, go_on = threading.Event(), threading.Event()
    ended: list[threading.Thread] = []

    def work() -> None:
        ended.append(threading.current_thread())
        began.set()
        go_on.wait(PATIENCE)
        raise ValueError("late")

    step = Step(work, lambda error, item, binding: reports.append((error, item, binding.name)), Backpressure())

    async def leave() -> None:
        run = asyncio.create_task(step.run())
        await until(began.is_set)
        run.cancel()
        await asyncio.wait([run])
        step.abort()

    asyncio.run(leave())
    go_on.set()
    ended[0].join(PATIENCE)
    assert not ended[0].is_alive()
    assert [str(error) for error, *_ in reports] == ["late"]
