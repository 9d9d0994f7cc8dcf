"""Where handlers of all kinds are added and removed, and what is told of all of them together."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from drive import until
from fake import PATIENCE
from tautwire import ClientState, Dispatcher, MessageEvent, Queue
from tautwire.client.backpressure import UNMEASURED
from tautwire.client.handlers import workers
from tautwire.client.handlers.callbacks import Callbacks
from tautwire.client.handlers.client_handlers import ClientHandlers
from tautwire.client.handlers.workers import Callers

KINDS = {
    "message": "raw",
    "error": "errors",
    "state": "states",
    "close": "closes",
    "gap": "gaps",
    "backfill": "fillings",
}
"""Kinds of handlers, and the lists they are kept in."""

each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
async def handlers() -> AsyncIterator[ClientHandlers]:
    dispatcher = Dispatcher()
    callbacks = Callbacks(dispatcher.flow)
    callbacks.use_running_loop()
    handlers = ClientHandlers(dispatcher, callbacks)
    yield handlers
    await handlers.close_handlers(0.0, Callers())


def functions(handlers: ClientHandlers, kind: str) -> tuple[Any, Any, Any]:
    """Return how handlers of a kind are added and removed, and the list they are in."""
    return (
        getattr(handlers, f"add_{kind}_handler"),
        getattr(handlers, f"remove_{kind}_handler"),
        getattr(handlers.callbacks, KINDS[kind]),
    )


def wanted(kind: str) -> tuple[Any, ...]:
    return ("x", None) if kind == "error" else ("x",)


@each_kind
async def test_a_handler_of_each_kind_gets_what_is_published_until_it_is_removed(
    handlers: ClientHandlers, kind: str
) -> None:
    add, remove, kept = functions(handlers, kind)
    got: list[Any] = []

    async def handler(*found: object) -> None:
        got.append(found)

    item = wanted(kind) if kind == "error" else "x"
    registration = add(handler)
    assert [each.handler for each in kept.bindings] == [handler]
    kept.publish(item)
    await until(lambda: got)
    assert remove(handler)
    assert not remove(handler)
    kept.publish(item)
    registration.deregister()
    for _ in range(5):  # turns of the loop, in which it would run
        await asyncio.sleep(0)
    assert got == [wanted(kind)]


@each_kind
async def test_a_registration_takes_out_itself_only(handlers: ClientHandlers, kind: str) -> None:
    add, _, kept = functions(handlers, kind)
    first, second = add(print), add(print)
    first.deregister()
    first.deregister()
    assert len(kept.bindings) == 1
    second.deregister()
    assert kept.bindings == ()


@each_kind
async def test_what_cannot_be_called_is_refused_when_it_is_added(handlers: ClientHandlers, kind: str) -> None:
    add, _, kept = functions(handlers, kind)
    for wrong in (lambda: None, lambda a, b, c: None):
        with pytest.raises(TypeError, match=f"^{kind} handlers are called with (one argument|two arguments), "):
            add(wrong)
    with pytest.raises(TypeError, match=f"^{kind} needs a function, got 'x'"):
        add("x")
    assert kept.bindings == ()


async def test_event_handlers_are_those_of_the_dispatcher(handlers: ClientHandlers) -> None:
    dispatcher = handlers.dispatcher

    @handlers.on(MessageEvent)
    def first(event: MessageEvent) -> None: ...

    handlers.register(print, "hello")
    handlers.hears("x")(first)
    assert [each.handler for each in dispatcher.bindings] == [first, print, first]
    assert handlers.deregister(print)
    assert len(dispatcher.bindings) == 2
    assert handlers.hooks is dispatcher.hooks


async def test_queues_name_each_handler_but_those_without_a_queue(handlers: ClientHandlers) -> None:
    async def on_event(event: object) -> None: ...

    async def on_state(state: object) -> None: ...

    async def on_ready(ready: object) -> None: ...

    async def on_stop() -> None: ...

    handlers.register(on_event, MessageEvent)
    handlers.register(print, MessageEvent, inline=True)
    handlers.add_state_handler(on_state)
    handlers.on_ready(on_ready)
    handlers.on_stop(on_stop)
    handlers.callbacks.states.publish(ClientState.READY)
    names = [each.__qualname__ for each in (on_event, on_state, on_ready, on_stop)]
    assert [each.handler for each in handlers.queues()] == names
    assert handlers.queues()[1] == Queue(names[1], 1, 0, len(UNMEASURED))
    await until(lambda: handlers.queues()[1] == Queue(names[1], 0, 0, 0))


async def test_closing_lets_handlers_of_all_kinds_finish_at_the_same_time(handlers: ClientHandlers) -> None:
    together = asyncio.Barrier(2)
    got: list[str] = []

    async def on_text(text: str) -> None:
        await together.wait()
        got.append(text)

    async def on_state(state: Any) -> None:
        await together.wait()
        got.append(state.value)

    handlers.add_message_handler(on_text)
    handlers.add_state_handler(on_state)
    handlers.callbacks.raw.publish("x")
    handlers.callbacks.states.publish(ClientState.READY)
    await handlers.close_handlers(PATIENCE, Callers())
    assert sorted(got) == ["ready", "x"]


async def test_a_handler_that_does_not_end_is_named_and_left_behind(
    handlers: ClientHandlers, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_LAST_WAIT", 0.02)
    began, go_on = threading.Event(), threading.Event()

    def stuck(text: str) -> None:
        began.set()
        go_on.wait(PATIENCE)

    async def fine(text: str) -> None: ...

    handlers.add_message_handler(stuck)
    handlers.add_message_handler(fine)
    handlers.callbacks.raw.publish("x")
    await until(began.is_set)
    await handlers.close_handlers(0.0, Callers())
    assert [each.getMessage() for each in caplog.records] == [
        f"handler {stuck.__qualname__} does not end; it is left behind"
    ]
    go_on.set()
