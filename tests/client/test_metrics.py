"""Hooks for metrics: what the client tells of handlers and queues, without sockets, and that it does no harm."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from fake import PATIENCE
from tautwire import Dispatcher, Event, EventsDropped, MessageEvent, Metrics, RTMClient, Run
from tautwire.client.metrics import guarded
from tautwire.protocol.codec import decode_event
from tautwire.session.client import Arrival


async def eventually(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (nobody signals)
            await asyncio.sleep(0.002)


def said(text: str) -> Arrival:
    frame = f'{{"type":"message","channel":"C1","user":"U1","text":"{text}","ts":"1700000000.00000{text}"}}'.encode()
    return cast("Event", decode_event(frame)), frame


class Noted(Metrics):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.threads: list[str] = []
        self.events: list[Event] = []
        self.drops: list[str] = []

    def handler_ran(self, run: Run) -> None:
        self.runs.append(run)
        self.threads.append(threading.current_thread().name)

    def event_received(self, event: Event) -> None:
        self.events.append(event)

    def event_dropped(self, handler: str) -> None:
        self.drops.append(handler)


class Failing(Metrics):
    """Raises whatever it hears."""

    def handler_ran(self, run: Run) -> None:
        raise self.error

    def __init__(self, error: BaseException) -> None:
        self.error = error

    event_received = event_dropped = handler_ran  # type: ignore[assignment]


@pytest.fixture
def noted() -> Noted:
    return Noted()


def unconnected(metrics: Metrics, dispatcher: Dispatcher | None = None) -> RTMClient:
    return RTMClient("xoxb-1", "http://127.0.0.1:1/api/", metrics=metrics, dispatcher=dispatcher)


@pytest.fixture
async def client(noted: Noted) -> AsyncIterator[RTMClient]:
    client = unconnected(noted)
    yield client
    await client.close(1.0)


async def test_each_run_is_told_with_lag_time_and_error(client: RTMClient, noted: Noted) -> None:
    gate, error = asyncio.Event(), ValueError("no")

    async def wait(event: MessageEvent) -> None:
        await gate.wait()
        raise error

    client.register(wait)
    first, second = said("1"), said("2")
    client.delivery.events_received([first, second], [])
    assert noted.events == [first[0], second[0]]
    await asyncio.sleep(0.02)
    gate.set()
    await eventually(lambda: len(noted.runs) == 2)

    one, two = noted.runs
    assert one.handler.endswith("wait")
    assert one.item is first[0]
    assert one.error is error
    assert one.seconds >= 0.015
    assert one.lag < two.lag
    assert two.lag >= 0.015  # it stood behind the first
    assert two.seconds < one.seconds


async def test_plain_and_inline_handlers_are_told_where_they_run(client: RTMClient, noted: Noted) -> None:
    client.register(lambda event: None, MessageEvent, inline=True)
    client.delivery.events_received([said("1")], [])
    assert noted.threads == [threading.current_thread().name]
    client.register(lambda event: None, MessageEvent)
    client.delivery.events_received([said("2")], [])
    await eventually(lambda: len(noted.runs) == 3)
    assert sum(each.startswith("tautwire-handler") for each in noted.threads) == 1


@pytest.mark.parametrize("inline", [True, False])
async def test_what_a_plain_handler_raises_is_in_its_run(client: RTMClient, noted: Noted, inline: bool) -> None:
    error = LookupError("no")

    def fail(_event: MessageEvent) -> None:
        raise error

    client.register(fail, inline=inline)
    received = said("1")
    client.delivery.events_received([received], [])
    await eventually(lambda: noted.runs)
    assert [(run.error, run.item) for run in noted.runs] == [(error, received[0])]


async def test_handlers_that_were_there_before_the_client_are_measured_too(noted: Noted) -> None:
    dispatcher = Dispatcher()
    heard: list[Event] = []
    dispatcher.register(heard.append, MessageEvent, inline=True)
    client = unconnected(noted, dispatcher)
    received = said("1")
    client.delivery.events_received([received], [])
    assert heard == [received[0]]
    assert [each.item for each in noted.runs] == [received[0]]


async def test_drops_are_told_one_by_one(client: RTMClient, noted: Noted) -> None:
    async def wait(event: MessageEvent) -> None:
        await asyncio.Event().wait()

    errors: list[BaseException] = []
    items: list[Event | None] = []
    client.callbacks.use_running_loop()
    client.add_error_handler(lambda error, event: (errors.append(error), items.append(event)))
    client.register(wait, MessageEvent, limit=1, overflow="drop_newest")
    for number in range(4):
        client.delivery.events_received([said(str(number))], [])
    assert len(noted.drops) == 3
    await eventually(lambda: errors)
    assert isinstance(errors[0], EventsDropped)
    assert isinstance(items[0], MessageEvent)  # the event itself, not what it is measured by


async def test_handlers_of_other_kinds_are_measured_too(client: RTMClient, noted: Noted) -> None:
    heard: list[str] = []

    async def hear(text: str) -> None:
        heard.append(text)

    client.add_message_handler(hear)
    client.delivery.frames_received([b"{}"])
    await eventually(lambda: heard == ["{}"])
    await eventually(lambda: [each.item for each in noted.runs] == ["{}"])


@pytest.mark.parametrize("error", [ZeroDivisionError(), SystemExit()])
async def test_a_failing_hook_stops_nothing(caplog: pytest.LogCaptureFixture, error: BaseException) -> None:
    client = unconnected(Failing(error))
    heard: list[Event] = []
    client.register(heard.append, MessageEvent, inline=True)
    with caplog.at_level(logging.ERROR):
        client.delivery.events_received([said("1")], [])
    assert len(heard) == 1
    assert "metrics hook" in caplog.text


def test_every_hook_is_guarded() -> None:
    hooks = [name for name in vars(Metrics) if not name.startswith("_")]
    assert len(hooks) == 9
    safe = guarded(Metrics())
    assert all(name in vars(safe) for name in hooks)
