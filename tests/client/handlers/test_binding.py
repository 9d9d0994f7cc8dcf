"""One handler and the way it is run: on the loop, in threads, or in the reader itself; its options and its failures."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest

from drive import until
from fake import PATIENCE
from tautwire import EventsDropped, Metrics, Run
from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.binding import Binding, Options, is_async, refuse_coroutine
from tautwire.client.handlers.workers import Callers

Reports = list[tuple[BaseException, Any]]
MakeBinding = Callable[..., Binding[Any]]


class Noted(Metrics):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.dropped: list[str] = []

    def handler_ran(self, run: Run) -> None:
        self.runs.append(run)

    def event_dropped(self, handler: str) -> None:
        self.dropped.append(handler)


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
async def bind(reports: Reports) -> AsyncIterator[MakeBinding]:
    made: list[Binding[Any]] = []

    def bind(handler: Any, options: Options | None = None, **more: Any) -> Binding[Any]:
        made.append(
            Binding(
                handler,
                handler,
                options or Options(),
                lambda error, item, binding: reports.append((error, item)),
                Backpressure(),
                **more,
            )
        )
        return made[-1]

    yield bind
    for each in made:
        await each.close(0.0, Callers())


# -- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["concurrency", "limit", "limit_bytes", "timeout"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_number_that_is_not_positive_is_refused_by_name_and_value(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be more than 0, got {value}"):
        Options(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["block", "", None])
def test_an_overflow_that_is_not_known_is_refused_with_those_that_are(value: Any) -> None:
    with pytest.raises(ValueError, match="overflow must be one of pause, drop_newest, drop_oldest, got"):
        Options(overflow=value)


async def test_options_that_do_not_fit_the_function_are_refused(bind: MakeBinding) -> None:
    async def coroutine(item: object) -> None: ...

    with pytest.raises(ValueError, match="the reader cannot wait for a coroutine"):
        bind(coroutine, Options(inline=True))
    with pytest.raises(ValueError, match="a thread cannot be stopped from outside"):
        bind(print, Options(timeout=1.0))


# -- three ways ---------------------------------------------------------------------------------------------------


async def test_an_inline_handler_runs_before_deliver_returns_and_has_no_queue(bind: MakeBinding) -> None:
    got: list[tuple[int, int]] = []
    binding = bind(lambda item: got.append((item, threading.get_ident())), Options(inline=True))
    binding.deliver(1)
    assert got == [(1, threading.get_ident())]
    assert binding.queue is None
    binding.abort()
    assert await binding.close(0.0, Callers())


async def test_a_coroutine_function_runs_on_the_loop_and_a_plain_one_in_a_thread(bind: MakeBinding) -> None:
    threads: dict[str, int] = {}

    async def coroutine(item: object) -> None:
        threads["coroutine"] = threading.get_ident()

    def plain(item: object) -> None:
        threads["plain"] = threading.get_ident()

    for each in (coroutine, plain):
        bind(each).deliver(1)
    assert "coroutine" not in threads  # a queued handler never runs within deliver
    await until(lambda: len(threads) == 2)
    assert threads["coroutine"] == threading.get_ident() != threads["plain"]


async def test_what_is_called_may_differ_from_the_handler_whose_name_is_shown(bind: MakeBinding) -> None:
    got: list[Any] = []

    async def handler(first: int, second: int) -> None:
        got.append((first, second))

    binding = bind(handler, call=lambda item: handler(*item))
    binding.deliver((1, 2))
    await until(lambda: got)
    assert got == [(1, 2)]
    assert binding.handler is handler
    assert binding.name == handler.__qualname__


async def test_a_handler_without_a_name_is_called_by_its_class(bind: MakeBinding) -> None:
    class Bot:
        def __call__(self, item: object) -> None: ...

    assert bind(Bot()).name == Bot.__qualname__
    assert bind(partial(print, "x")).name == "partial"


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
async def test_a_slow_conversation_holds_up_no_other_unless_there_is_one_worker(bind: MakeBinding, kind: str) -> None:
    began, go_on = threading.Event(), threading.Event()
    got: list[str] = []

    async def coroutine(item: str) -> None:
        began.set()
        if item == "slow":
            await until(go_on.is_set)
        got.append(item)

    def plain(item: str) -> None:
        began.set()
        if item == "slow":
            go_on.wait(PATIENCE)
        got.append(item)

    handler = coroutine if kind == "coroutine" else plain
    one_by_one = bind(handler, Options(concurrency=1), key_of=lambda item: item)
    for each in ("slow", "quick"):
        one_by_one.deliver(each)
    await until(began.is_set)
    assert got == []
    go_on.set()
    await until(lambda: len(got) == 2)
    assert got == ["slow", "quick"]
    go_on.clear()
    got.clear()
    by_conversation = bind(handler, key_of=lambda item: item)
    for each in ("slow", "quick"):
        by_conversation.deliver(each)
    await until(lambda: got)
    assert got == ["quick"]
    go_on.set()
    await until(lambda: len(got) == 2)


# -- failures -----------------------------------------------------------------------------------------------------


class Outcome(BaseException):
    """As pytest.fail raises."""


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), Outcome(), asyncio.CancelledError()], ids=repr)
async def test_whatever_an_inline_handler_raises_is_reported_and_stays_within(
    bind: MakeBinding, reports: Reports, error: BaseException
) -> None:
    def handler(item: object) -> None:
        raise error

    bind(handler, Options(inline=True)).deliver("item")
    assert reports == [(error, "item")]


async def test_a_keyboard_interrupt_of_an_inline_handler_is_for_the_program(
    bind: MakeBinding, reports: Reports
) -> None:
    def handler(item: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bind(handler, Options(inline=True)).deliver("item")
    assert reports == []


@pytest.mark.parametrize("inline", [True, False])
async def test_a_plain_handler_that_returns_a_coroutine_is_reported(
    bind: MakeBinding, reports: Reports, inline: bool
) -> None:
    async def work() -> None: ...

    def handler(item: object) -> Any:
        return work()

    bind(handler, Options(inline=inline)).deliver("item")
    await until(lambda: reports)
    assert [(type(error), item) for error, item in reports] == [(TypeError, "item")]


async def test_a_coroutine_handler_that_takes_too_long_is_cancelled_and_reported(
    bind: MakeBinding, reports: Reports
) -> None:
    cancelled: list[str] = []

    async def handler(item: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(item)

    binding = bind(handler, Options(timeout=0.01))
    for each in ("a", "b"):  # the worker lives on
        binding.deliver(each)
    await until(lambda: len(reports) == 2)
    assert [(type(error), item) for error, item in reports] == [(TimeoutError, "a"), (TimeoutError, "b")]
    assert cancelled == ["a", "b"]


@pytest.mark.parametrize("measured", [False, True])
async def test_the_first_item_that_is_dropped_is_reported_and_each_is_counted(
    bind: MakeBinding, reports: Reports, measured: bool
) -> None:
    go_on = asyncio.Event()

    async def handler(item: int) -> None:
        await go_on.wait()

    binding = bind(handler, Options(limit=1, overflow="drop_newest", concurrency=1))
    noted = Noted()
    if measured:
        binding.measure(noted)
    for number in range(4):
        binding.deliver(number)
    (report,) = reports
    assert isinstance(report[0], EventsDropped)
    assert (report[0].handler, report[0].count, report[1]) == (binding.name, 1, 1)
    assert binding.queue is not None
    assert binding.queue.dropped == 3
    assert noted.dropped == [binding.name] * (3 if measured else 0)
    go_on.set()


# -- measurements -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["coroutine", "plain", "inline"])
async def test_each_run_is_measured_once_with_the_item_and_its_error(
    bind: MakeBinding, reports: Reports, kind: str
) -> None:
    def act(item: str) -> None:
        if item == "bad":
            raise ValueError(item)

    async def coroutine(item: str) -> None:
        act(item)

    def plain(item: str) -> None:
        act(item)

    handler = coroutine if kind == "coroutine" else plain
    keys: list[str] = []

    def key_of(item: str) -> str:
        keys.append(item)
        return "one"

    binding = bind(handler, Options(inline=kind == "inline"), key_of=key_of)
    noted, other = Noted(), Noted()
    binding.measure(noted)
    binding.measure(other)
    for each in ("good", "bad", "good"):
        binding.deliver(each)
    await until(lambda: len(noted.runs) == 3 and reports)
    assert [(run.handler, run.item, str(run.error)) for run in noted.runs] == [
        (handler.__qualname__, "good", "None"),
        (handler.__qualname__, "bad", "bad"),
        (handler.__qualname__, "good", "None"),
    ]
    assert all(run.lag >= 0 and run.seconds >= 0 for run in noted.runs)
    assert [(str(error), item) for error, item in reports] == [("bad", "bad")]  # the item, without its stamp
    assert other.runs == []
    assert keys == ([] if kind == "inline" else ["good", "bad", "good"])


# -- the end ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["coroutine", "plain"])
async def test_abort_forgets_what_waits_and_takes_nothing_more(bind: MakeBinding, kind: str) -> None:
    began, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    got: list[int] = []

    async def coroutine(item: int) -> None:
        got.append(item)
        began.set()
        await until(go_on.is_set)
        ended.set()

    def plain(item: int) -> None:
        got.append(item)
        began.set()
        go_on.wait(PATIENCE)
        ended.set()

    binding = bind(coroutine if kind == "coroutine" else plain)
    for number in range(3):
        binding.deliver(number)
    await until(began.is_set)
    binding.abort()
    binding.deliver(3)
    go_on.set()
    await until(ended.is_set)
    assert await binding.close(PATIENCE, Callers())
    assert got == [0]


async def test_close_lets_what_waits_finish_within_the_grace(bind: MakeBinding) -> None:
    got: list[int] = []

    async def handler(item: int) -> None:
        await asyncio.sleep(0)
        got.append(item)

    binding = bind(handler)
    for number in range(3):
        binding.deliver(number)
    assert await binding.close(PATIENCE, Callers())
    assert got == [0, 1, 2]


# -- what a function is -------------------------------------------------------------------------------------------


async def _coroutine() -> None: ...


def _plain() -> Any:
    return _coroutine()


class _Object:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "wanted"),
    [(_coroutine, True), (partial(_coroutine), True), (_Object(), True), (print, False), (_plain, False)],
    ids=["function", "partial", "object", "builtin", "plain"],
)
def test_coroutine_functions_are_known_by_what_they_are_not_by_what_they_return(
    function: Callable[..., Any], wanted: bool
) -> None:
    assert is_async(function) is wanted


def test_a_coroutine_that_is_refused_is_closed() -> None:
    """Or Python would warn that it was never awaited."""
    coroutine = _coroutine()
    with pytest.raises(TypeError, match="make it an async function"):
        refuse_coroutine(coroutine)
    assert coroutine.cr_frame is None
    for fine in (None, 5, "x"):
        refuse_coroutine(fine)
