"""Lists of handlers that need no picking, and the reports of failures: to the log, and to the error handlers."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from drive import until
from tautwire import ConnectError, Event, EventsDropped, MessageEvent, Metrics, Run, UnreadableFrame
from tautwire.client.backpressure import UNMEASURED, Backpressure
from tautwire.client.errors import BackfillIncomplete, ViewIncomplete
from tautwire.client.handlers import callbacks as module
from tautwire.client.handlers.callbacks import Callbacks, HandlerList
from tautwire.client.handlers.workers import Callers
from tautwire.protocol.codec import decode_event
from tautwire.protocol.events import MalformedEvent
from tautwire.protocol.ids import ChannelId, Ts

Errors = list[tuple[BaseException, Event | None]]

SAID = decode_event('{"type":"message","channel":"C1","user":"U1","text":"x","ts":"1.000001"}')


class Noted(Metrics):
    """Keeps the runs."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    def handler_ran(self, run: Run) -> None:
        self.runs.append(run)


@pytest.fixture
async def callbacks() -> AsyncIterator[Callbacks]:
    callbacks = Callbacks(Backpressure())
    callbacks.use_running_loop()
    yield callbacks
    for binding in callbacks.bindings:
        await binding.close(0.0, Callers())


@pytest.fixture
async def errors(callbacks: Callbacks) -> Errors:
    """What an error handler gets."""
    got: Errors = []

    async def note(error: BaseException, event: Event | None) -> None:
        got.append((error, event))

    callbacks.errors.add(note)
    return got


def unreadable(reason: str, raw: bytes = b"{") -> MalformedEvent:
    return MalformedEvent(type="", reason=reason, raw=raw)


# -- a list -------------------------------------------------------------------------------------------------------


async def test_each_handler_gets_every_item_in_order(callbacks: Callbacks) -> None:
    got: list[tuple[str, Any]] = []

    async def coroutine(item: object) -> None:
        await asyncio.sleep(0)
        got.append(("coroutine", item))

    def plain(item: object) -> None:
        got.append(("plain", item))

    handlers: HandlerList[Any] = callbacks.states
    assert not handlers
    handlers.add(coroutine)
    handlers.add(plain)
    assert handlers
    for number in range(20):
        handlers.publish(number)
    await until(lambda: len(got) == 40)
    for kind in ("coroutine", "plain"):
        assert [item for which, item in got if which == kind] == list(range(20))


async def test_what_was_removed_gets_nothing_more_not_even_what_waits(callbacks: Callbacks) -> None:
    got: list[str] = []

    async def handler(text: str) -> None:
        got.append(text)

    first = callbacks.raw.add(handler)
    callbacks.raw.add(handler)
    assert callbacks.raw.remove(first)
    assert not callbacks.raw.remove(first)
    callbacks.raw.publish("waits")
    assert callbacks.raw.remove(handler)
    assert not callbacks.raw.remove(handler)
    assert not callbacks.raw
    callbacks.raw.publish("never")
    assert first.queue is not None
    await first.close(0.0, Callers())
    for _ in range(5):  # turns of the loop, in which it would run
        await asyncio.sleep(0)
    assert got == []


async def test_removing_by_function_takes_out_each_registration_and_no_other(callbacks: Callbacks) -> None:
    class Bot:
        def on_text(self, text: str) -> None: ...

    bot, other = Bot(), Bot()
    for each in (bot, other, bot):
        callbacks.raw.add(each.on_text)
    assert callbacks.raw.remove(bot.on_text)
    assert [each.handler for each in callbacks.raw.bindings] == [other.on_text]


def test_adding_from_many_threads_loses_no_handler() -> None:
    callbacks = Callbacks(Backpressure())
    start = threading.Barrier(4)

    def add() -> None:
        start.wait()
        for _ in range(100):
            callbacks.raw.add(print)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(callbacks.raw.bindings) == 400


@pytest.mark.parametrize("before", [True, False], ids=["added before", "added after"])
async def test_handlers_of_every_kind_are_measured_whenever_they_were_added(before: bool) -> None:
    noted = Noted()
    handlers: HandlerList[str] = HandlerList(lambda *_: None, Backpressure())

    async def handler(item: str) -> None: ...

    if before:
        handlers.add(handler)
    handlers.measure(noted)
    if not before:
        handlers.add(handler)
    handlers.publish("x")
    await until(lambda: noted.runs)
    assert [(each.handler, each.item) for each in noted.runs] == [(handler.__qualname__, "x")]
    await handlers.bindings[0].close(0.0, Callers())


async def test_the_lists_of_a_client_with_metrics_are_measured() -> None:
    noted = Noted()
    callbacks = Callbacks(Backpressure(), noted)

    async def handler(*_: object) -> None: ...

    kinds: list[HandlerList[Any]] = [
        callbacks.raw,
        callbacks.states,
        callbacks.closes,
        callbacks.gaps,
        callbacks.fillings,
        callbacks.errors,
    ]
    for each in kinds:
        each.add(handler)
        each.publish(("x", "y"))
    assert len(callbacks.bindings) == len(kinds)
    await until(lambda: len(noted.runs) == len(kinds))
    for binding in callbacks.bindings:
        await binding.close(0.0, Callers())


# -- raw text -----------------------------------------------------------------------------------------------------


async def test_raw_text_handlers_get_the_text_and_its_bytes_are_counted(callbacks: Callbacks) -> None:
    got: list[str] = []

    async def handler(text: str) -> None:
        got.append(text)

    binding = callbacks.raw.add(handler)
    flow = callbacks._flow
    frame = "Größe".encode() + b"\xff"
    callbacks.frame_received(frame)
    assert binding.queue is not None
    assert binding.queue.size == len(frame)
    assert flow.frame is UNMEASURED
    await until(lambda: got)
    assert got == ["Größe\N{REPLACEMENT CHARACTER}"]


# -- reports ------------------------------------------------------------------------------------------------------


async def test_what_a_handler_raises_is_logged_and_reported_with_its_event(
    callbacks: Callbacks, errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    binding = callbacks.raw.add(print)
    error = ValueError("no")
    callbacks.handler_failed(error, SAID, binding)
    callbacks.handler_failed(error, "a text is no event", binding)
    await until(lambda: len(errors) == 2)
    assert errors == [(error, SAID), (error, None)]
    assert isinstance(SAID, MessageEvent)
    assert caplog.text.count("handler print failed") == 2
    assert "ValueError: no" in caplog.text


async def test_a_failure_in_a_thread_is_reported_on_the_loop(callbacks: Callbacks, errors: Errors) -> None:
    binding = callbacks.raw.add(print)
    threads: list[int] = []

    publish = callbacks.errors.publish

    def published(item: Any) -> None:
        threads.append(threading.get_ident())
        publish(item)

    callbacks.errors.publish = published  # type: ignore[method-assign]
    await asyncio.to_thread(callbacks.handler_failed, ValueError("no"), SAID, binding)
    await until(lambda: errors)
    assert threads == [threading.get_ident()]


def test_a_failure_after_the_loop_was_closed_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    callbacks = Callbacks(Backpressure())
    got: list[Any] = []
    assert callbacks.loop is None
    callbacks.errors.add(lambda *found: got.append(found))
    binding = callbacks.raw.add(print)
    callbacks.handler_failed(ValueError("before"), None, binding)

    async def use() -> None:
        callbacks.use_running_loop()
        assert callbacks.loop is asyncio.get_running_loop()

    asyncio.run(use())
    thread = threading.Thread(target=callbacks.handler_failed, args=(ValueError("after"), None, binding))
    thread.start()
    thread.join()
    assert caplog.text.count("handler print failed") == 2
    assert got == []


async def test_an_error_handler_that_fails_is_not_given_its_own_failure(
    callbacks: Callbacks, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[str] = []

    async def fails(error: BaseException, event: Event | None) -> None:
        got.append(str(error))
        raise ValueError("again")

    callbacks.errors.add(fails)
    callbacks.handler_failed(ValueError("first"), None, callbacks.raw.add(print))
    await until(lambda: "ValueError: again" in caplog.text)
    for _ in range(5):  # turns of the loop, in which it would go round
        await asyncio.sleep(0)
    assert got == ["first"]


async def test_dropped_items_are_logged_in_one_line_without_a_traceback(
    callbacks: Callbacks, errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    dropped = EventsDropped("print", 3)
    callbacks.handler_failed(dropped, SAID, callbacks.raw.add(print))
    await until(lambda: errors)
    assert errors == [(dropped, SAID)]
    (record,) = caplog.records
    assert record.getMessage() == str(dropped)
    assert not record.exc_info


async def test_unreadable_frames_are_all_reported_but_logged_once_for_each_kind(
    callbacks: Callbacks, errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [unreadable("no JSON (byte 1)"), unreadable("no JSON (byte 7)", b"{secret"), unreadable("no type")]
    with caplog.at_level(logging.WARNING, "tautwire.client"):
        for each in frames:
            callbacks.unreadable(each)
    await until(lambda: len(errors) == 3)
    assert [event for _, event in errors] == frames
    found = [cast("UnreadableFrame", error) for error, _ in errors]
    assert [each.reason for each in found] == [each.reason for each in frames]
    assert [each.getMessage().partition("; ")[2] for each in caplog.records] == [
        "1 bytes; more of this kind are not logged"
    ] * 2
    assert "secret" not in caplog.text


async def test_the_kinds_of_unreadable_frames_that_are_remembered_are_bounded(
    callbacks: Callbacks, errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    count = module._MAX_KINDS + 5
    with caplog.at_level(logging.WARNING, "tautwire.client"):
        for number in range(count):
            callbacks.unreadable(unreadable(f"kind {number}"))
    assert len(caplog.records) == module._MAX_KINDS
    await until(lambda: len(errors) == count)


async def test_failed_attempts_are_reported_and_left_to_the_supervisor_to_log(
    callbacks: Callbacks, errors: Errors, caplog: pytest.LogCaptureFixture
) -> None:
    error = ConnectError("no")
    callbacks.connect_failed(error)
    await until(lambda: errors)
    assert errors == [(error, None)]
    assert not caplog.records


@pytest.mark.parametrize(
    "error",
    [BackfillIncomplete(ChannelId("C1"), Ts("1.000001"), "no"), ViewIncomplete("users", "no")],
    ids=lambda error: type(error).__name__,
)
async def test_what_is_refused_without_a_caller_is_logged_and_reported(
    callbacks: Callbacks, errors: Errors, caplog: pytest.LogCaptureFixture, error: Any
) -> None:
    callbacks.refused(error)
    await until(lambda: errors)
    assert errors == [(error, None)]
    assert [each.getMessage() for each in caplog.records] == [str(error)]
