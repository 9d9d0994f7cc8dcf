"""How handlers are chosen and run: binding, order, isolation, limits, and coming and going while events flow."""

import asyncio
import functools
import random
import threading
import time
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive import eventually
from fake import PATIENCE
from tautwire import (
    AnyMessage,
    Dispatcher,
    Event,
    EventsDropped,
    MessageBotEvent,
    MessageEvent,
    ReactionAddedEvent,
    UserTypingEvent,
)
from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.queue import Limits, Overflow
from tautwire.client.handlers.workers import Callers, TaskQueue
from tautwire.protocol.codec import decode_event

Reports = list[tuple[BaseException, Any]]


def event(text: str) -> Event:
    found = decode_event(text)
    assert isinstance(found, Event)
    return found


def said(number: int, channel: str = "C1") -> Event:
    return event(f'{{"type":"message","channel":"{channel}","user":"U1","text":"{number}","ts":"1700000000.000001"}}')


TYPING = event('{"type":"user_typing","channel":"C1","user":"U1"}')
BOT = event(
    '{"type":"message","subtype":"bot_message","channel":"C1","bot_id":"B1","text":"x","ts":"1700000000.000001"}'
)
UNKNOWN = event('{"type":"brand_new","x":1}')
ODD_MESSAGE = event('{"type":"message","subtype":"brand_new","channel":"C1"}')
MALFORMED = event("no JSON")
REACTION = event(
    '{"type":"reaction_added","user":"U1","reaction":"+1","item_user":"U2","event_ts":"1700000000.000001",'
    '"item":{"type":"message","channel":"C1","ts":"1700000000.000001"}}'
)
ALL = (TYPING, said(1), BOT, UNKNOWN, ODD_MESSAGE, MALFORMED)


@pytest.fixture
def reports() -> Reports:
    return []


@pytest.fixture
async def dispatcher(reports: Reports) -> Any:
    dispatcher = Dispatcher()
    dispatcher.attach(lambda error, item, _: reports.append((error, item)), lambda _: None)
    yield dispatcher
    for binding in dispatcher.bindings:
        await binding.close(0.0, Callers())


async def soon(condition: Any) -> None:
    """Wait until something holds, while the loop runs."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (conditions are many, and nobody signals them)
            await asyncio.sleep(0.001)


# -- binding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (MessageEvent, [ALL[1]]),
        (MessageBotEvent, [BOT]),
        (AnyMessage, [ALL[1], BOT]),
        (Event, list(ALL)),
        ("*", list(ALL)),
        ("message", [ALL[1], BOT, ODD_MESSAGE]),
        (("message", None), [ALL[1]]),
        (("message", "bot_message"), [BOT]),
        (("message", "brand_new"), [ODD_MESSAGE]),
        ("brand_new", [UNKNOWN]),
        ("user_typing", [TYPING]),
        ("never_sent", []),
    ],
)
async def test_a_handler_gets_what_it_is_bound_to(dispatcher: Dispatcher, target: Any, wanted: list[Event]) -> None:
    got: list[Event] = []
    dispatcher.register(got.append, target, inline=True, unknown=True)
    for _ in range(2):  # the second time from the kept choice
        for each in ALL:
            dispatcher.dispatch(each)
    assert got == wanted * 2


async def test_all_handlers_of_an_event_get_it_in_the_order_they_came(dispatcher: Dispatcher) -> None:
    calls: list[str] = []
    dispatcher.register(lambda _: calls.append("class"), MessageEvent, inline=True)
    dispatcher.register(lambda _: calls.append("any"), "*", inline=True)
    dispatcher.register(lambda _: calls.append("name"), "message", inline=True)
    dispatcher.dispatch(said(1))
    assert calls == ["class", "any", "name"]


async def test_an_annotation_binds_a_function(dispatcher: Dispatcher) -> None:
    got: list[Event] = []

    def on_typing(event: UserTypingEvent) -> None:
        got.append(event)

    def on_both(event: "MessageEvent | UserTypingEvent") -> None:
        got.append(event)

    class Bot:
        def on_message(self, event: MessageEvent) -> None:
            got.append(event)

        def __call__(self, event: MessageBotEvent) -> None:
            got.append(event)

    for handler in (on_typing, on_both, Bot().on_message, Bot(), functools.partial(on_typing)):
        dispatcher.register(handler, inline=True)
    for each in (TYPING, said(1), BOT):
        dispatcher.dispatch(each)
    assert [type(each) for each in got] == [UserTypingEvent] * 3 + [MessageEvent] * 2 + [MessageBotEvent]


@pytest.mark.parametrize("handler", [lambda event: None, print, dict, lambda: None, 5], ids="abcde")
async def test_a_handler_that_says_nothing_about_events_is_refused(dispatcher: Dispatcher, handler: Any) -> None:
    with pytest.raises(TypeError):
        dispatcher.register(handler)


async def test_objects_bind_themselves(dispatcher: Dispatcher) -> None:
    got: list[Event] = []

    class OnTyping:
        event_class = UserTypingEvent

        def handle(self, event: UserTypingEvent) -> None:
            got.append(event)

    class OnBot:
        event_type: ClassVar = "message"
        event_subtype: ClassVar = "bot_message"

        async def handle(self, event: Any) -> None:
            got.append(event)

    class OnMessage:
        def handle(self, event: MessageEvent) -> None:
            got.append(event)

    for handler in (OnTyping(), OnBot(), OnMessage()):
        dispatcher.register(handler)
    for each in (TYPING, said(1), BOT):
        dispatcher.dispatch(each)
    await soon(lambda: len(got) == 3)
    assert {type(each) for each in got} == {UserTypingEvent, MessageEvent, MessageBotEvent}


async def test_the_decorator_leaves_the_function_as_it_is(dispatcher: Dispatcher) -> None:
    got: list[Event] = []

    @dispatcher.on(MessageEvent, inline=True)
    @dispatcher.on("user_typing", inline=True)
    def handler(event: Event) -> None:
        got.append(event)

    handler(BOT)
    for each in ALL:
        dispatcher.dispatch(each)
    assert got == [BOT, TYPING, ALL[1]]


# -- coming and going ---------------------------------------------------------------------------------------------


async def test_deregistering_works_by_handle_and_by_function(dispatcher: Dispatcher) -> None:
    class Bot:
        got: ClassVar[list[Event]] = []

        def on_message(self, event: MessageEvent) -> None:
            self.got.append(event)

    bot = Bot()
    registration = dispatcher.register(bot.on_message, inline=True)
    dispatcher.dispatch(said(1))
    registration.deregister()
    registration.deregister()
    dispatcher.dispatch(said(2))
    dispatcher.register(bot.on_message, inline=True)
    dispatcher.dispatch(said(3))
    assert dispatcher.deregister(bot.on_message)  # another bound method object, the same handler
    assert not dispatcher.deregister(bot.on_message)
    dispatcher.dispatch(said(4))
    assert [each.text for each in bot.got] == ["1", "3"]  # type: ignore[attr-defined]


async def test_a_handler_may_add_and_remove_handlers(dispatcher: Dispatcher) -> None:
    calls: list[str] = []

    def once(_: Event) -> None:
        calls.append("once")
        dispatcher.deregister(once)
        dispatcher.register(lambda _: calls.append("later"), MessageEvent, inline=True)

    dispatcher.register(once, MessageEvent, inline=True)
    dispatcher.register(lambda _: calls.append("sibling"), MessageEvent, inline=True)
    dispatcher.dispatch(said(1))
    dispatcher.dispatch(said(2))
    assert calls == ["once", "sibling", "sibling", "later"]


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_waits_for_a_removed_handler_is_forgotten(dispatcher: Dispatcher, kind: str) -> None:
    begun, go_on = threading.Event(), threading.Event()
    got: list[str] = []
    others = set(threading.enumerate())  # idle ones of earlier tests live for some seconds

    def plain(event: MessageEvent) -> None:
        got.append(event.text)
        begun.set()
        go_on.wait(PATIENCE)

    async def coroutine(event: MessageEvent) -> None:
        got.append(event.text)
        begun.set()
        await soon(go_on.is_set)

    handler = plain if kind == "plain" else coroutine
    registration = dispatcher.register(handler)
    for i in range(5):
        dispatcher.dispatch(said(i))
    await soon(begun.is_set)
    assert registration.waiting >= 4
    dispatcher.deregister(handler)
    assert registration.waiting == 0
    go_on.set()
    await soon(lambda: len(asyncio.all_tasks()) == 1)
    await soon(lambda: not [each for each in {*threading.enumerate()} - others if each.name.startswith("tautwire")])
    assert got == ["0"]


async def test_handlers_come_and_go_from_other_threads_while_events_flow(
    dispatcher: Dispatcher, reports: Reports
) -> None:
    steady: list[str] = []
    dispatcher.register(lambda event: steady.append(event.text), MessageEvent, inline=True)
    stop = threading.Event()

    def churn() -> None:
        async def coroutine(_: Event) -> None:
            await asyncio.sleep(0)

        def plain(_: Event) -> None: ...

        while not stop.is_set():
            for handler in (coroutine, plain):
                dispatcher.register(handler, MessageEvent).deregister()

    threads = [threading.Thread(target=churn) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(2000):
        dispatcher.dispatch(said(i))
        if i % 50 == 0:
            await asyncio.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert steady == [str(i) for i in range(2000)]
    assert reports == []
    await soon(lambda: not [each for each in threading.enumerate() if each.name.startswith("tautwire")])
    await soon(lambda: len(asyncio.all_tasks()) == 1)


# -- order and concurrency ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_order_is_kept_within_a_conversation(dispatcher: Dispatcher, kind: str) -> None:
    rng = random.Random(1)
    channels = [f"C{i}" for i in range(7)]
    got: dict[str, list[str]] = {each: [] for each in channels}
    running: dict[str, int] = dict.fromkeys(channels, 0)

    def enter(event: Any) -> None:
        running[event.channel] += 1
        assert running[event.channel] == 1, "two of one conversation at once"
        got[event.channel].append(event.text)

    async def coroutine(event: MessageEvent) -> None:
        enter(event)
        await asyncio.sleep(rng.choice((0, 0, 0.001)))
        running[event.channel] -= 1

    def plain(event: MessageEvent) -> None:
        enter(event)
        time.sleep(rng.choice((0, 0, 0.001)))
        running[event.channel] -= 1

    dispatcher.register(coroutine if kind == "async" else plain)
    expected: dict[str, list[str]] = {each: [] for each in channels}
    for i in range(700):
        channel = rng.choice(channels)
        expected[channel].append(str(i))
        dispatcher.dispatch(said(i, channel))
        if i % 90 == 0:
            await asyncio.sleep(0.002)
    await soon(lambda: sum(map(len, got.values())) == 700)
    assert got == expected


async def test_different_types_of_one_conversation_stay_in_order_for_a_handler(dispatcher: Dispatcher) -> None:
    got: list[type] = []

    async def handler(event: "MessageEvent | ReactionAddedEvent | UserTypingEvent") -> None:
        got.append(type(event))
        await asyncio.sleep(0)

    dispatcher.register(handler)
    for each in (said(1), REACTION, TYPING) * 20:
        dispatcher.dispatch(each)
    await soon(lambda: len(got) == 60)
    assert got == [MessageEvent, ReactionAddedEvent, UserTypingEvent] * 20


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_slow_conversation_and_a_slow_handler_hold_up_nobody_else(dispatcher: Dispatcher, kind: str) -> None:
    go_on = threading.Event()
    slow: list[str] = []
    quick: list[str] = []

    async def coroutine(event: MessageEvent) -> None:
        await soon(lambda: event.channel != "CSLOW" or go_on.is_set())
        slow.append(event.text)

    def plain(event: MessageEvent) -> None:
        if event.channel == "CSLOW":
            go_on.wait(PATIENCE)
        slow.append(event.text)

    dispatcher.register(coroutine if kind == "async" else plain)
    dispatcher.register(lambda event: quick.append(event.text), MessageEvent)
    dispatcher.dispatch(said(0, "CSLOW"))
    for i in range(1, 30):
        dispatcher.dispatch(said(i, f"C{i % 3}"))
        dispatcher.dispatch(said(100 + i, "CSLOW"))
    await soon(lambda: len(slow) == 29 and len(quick) == 59)
    go_on.set()
    await soon(lambda: len(slow) == 59)
    assert [each for each in slow if int(each) == 0 or int(each) > 100] == ["0", *map(str, range(101, 130))]


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_concurrency_has_its_limit_and_one_means_order_of_arrival(dispatcher: Dispatcher, kind: str) -> None:
    got: list[str] = []
    running = peak = 0
    lock = threading.Lock()

    def count(by: int) -> None:
        nonlocal running, peak
        with lock:
            running += by
            peak = max(peak, running)

    async def coroutine(event: MessageEvent) -> None:
        count(1)
        await asyncio.sleep(0.001)
        got.append(event.text)
        count(-1)

    def plain(event: MessageEvent) -> None:
        count(1)
        time.sleep(0.001)
        got.append(event.text)
        count(-1)

    handler = coroutine if kind == "async" else plain
    dispatcher.register(handler, concurrency=3)
    for i in range(40):
        dispatcher.dispatch(said(i, f"C{i}"))
    await soon(lambda: len(got) == 40)
    assert 1 < peak <= 3
    dispatcher.deregister(handler)
    got.clear()
    dispatcher.register(handler, concurrency=1)
    for i in range(40):
        dispatcher.dispatch(said(i, f"C{i % 9}"))
    await soon(lambda: len(got) == 40)
    assert got == [str(i) for i in range(40)]


async def test_a_burst_does_not_keep_the_loop_from_its_other_work(dispatcher: Dispatcher) -> None:
    turns = 0

    async def handler(_: MessageEvent) -> None:
        time.sleep(0.0002)  # noqa: ASYNC251 (the loop is kept from its other work on purpose)

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    registration = dispatcher.register(handler)
    for i in range(400):
        dispatcher.dispatch(said(i))
    task = asyncio.create_task(other())
    await soon(lambda: registration.waiting == 0)
    task.cancel()
    assert turns >= 20  # each sixteen of them take longer than a turn


async def test_events_in_a_row_make_no_task_each(dispatcher: Dispatcher) -> None:
    got: list[Event] = []

    async def handler(event: MessageEvent) -> None:
        got.append(event)

    dispatcher.register(handler)
    tasks: set[int] = set()
    for i in range(200):
        dispatcher.dispatch(said(i))
        tasks |= {id(each) for each in asyncio.all_tasks()}
        await soon(lambda i=i: len(got) == i + 1)  # type: ignore[misc]
    assert len(tasks) == 2  # this test, and one worker that stayed


# -- failures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["inline", "async", "plain"])
async def test_what_a_handler_raises_is_reported_with_its_event(
    dispatcher: Dispatcher, reports: Reports, kind: str
) -> None:
    got: list[str] = []

    def plain(event: MessageEvent) -> None:
        if event.text == "1":
            raise LookupError("one")
        got.append(event.text)

    async def coroutine(event: MessageEvent) -> None:
        plain(event)

    dispatcher.register(coroutine if kind == "async" else plain, inline=kind == "inline")
    dispatcher.register(lambda event: got.append("sibling" + event.text), MessageEvent, inline=True)
    first = said(1)
    dispatcher.dispatch(first)
    dispatcher.dispatch(said(2))
    await soon(lambda: sorted(got) == ["2", "sibling1", "sibling2"])
    assert [(type(error), item) for error, item in reports] == [(LookupError, first)]


async def test_a_handler_that_was_cancelled_inside_does_not_stop_the_others(
    dispatcher: Dispatcher, reports: Reports
) -> None:
    got: list[str] = []

    async def handler(event: MessageEvent) -> None:
        if event.text == "1":
            task = asyncio.create_task(asyncio.sleep(60))
            task.cancel()
            await task
        got.append(event.text)

    dispatcher.register(handler)
    dispatcher.dispatch(said(1))
    dispatcher.dispatch(said(2))
    await soon(lambda: got == ["2"])
    assert [type(error) for error, _ in reports] == [asyncio.CancelledError]


class Outcome(BaseException):
    """What pytest.fail() and pytest.skip() raise is such a one."""


@pytest.mark.parametrize("kind", ["inline", "async", "plain"])
@pytest.mark.parametrize("error", [SystemExit, asyncio.CancelledError, GeneratorExit, Outcome])
async def test_whatever_a_handler_raises_ends_nothing_else_and_is_reported(
    dispatcher: Dispatcher, reports: Reports, kind: str, error: type[BaseException]
) -> None:
    got: list[str] = []

    def plain(event: MessageEvent) -> None:
        if event.text == "1":
            raise error
        got.append(event.text)

    async def coroutine(event: MessageEvent) -> None:
        plain(event)

    dispatcher.register(coroutine if kind == "async" else plain, inline=kind == "inline")
    dispatcher.register(lambda event: got.append("sibling" + event.text), MessageEvent, inline=True)
    dispatcher.dispatch(said(1))
    dispatcher.dispatch(said(2))
    await soon(lambda: sorted(got) == ["2", "sibling1", "sibling2"])
    assert [type(each) for each, _ in reports] == [error]


async def test_a_keyboard_interrupt_is_for_the_program(dispatcher: Dispatcher, reports: Reports) -> None:
    def interrupted(_: Event) -> None:
        raise KeyboardInterrupt

    registration = dispatcher.register(interrupted, MessageEvent, inline=True)
    for _ in range(2):  # the second time from the kept choice
        with pytest.raises(KeyboardInterrupt):
            dispatcher.dispatch(said(1))
    registration.deregister()
    assert reports == []


async def test_a_worker_that_is_thrown_away_ends(dispatcher: Dispatcher, reports: Reports) -> None:
    """As at the end of a program that did not close its client."""
    ended: list[str] = []

    async def handler(_: MessageEvent) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("handler")

    dispatcher.register(handler)
    dispatcher.dispatch(said(1))
    await asyncio.sleep(0)
    (worker,) = asyncio.all_tasks() - {asyncio.current_task()}
    coroutine: Any = worker.get_coro()
    coroutine.close()  # raises if the worker goes on
    assert ended == ["handler"]
    assert reports == []


async def test_a_worker_that_was_cancelled_leaves_its_conversation_to_another(dispatcher: Dispatcher) -> None:
    got: list[str] = []

    async def handler(event: MessageEvent) -> None:
        if event.text == "1":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(60)
        got.append(event.text)

    dispatcher.register(handler)
    for number in (1, 2, 3):
        dispatcher.dispatch(said(number))
    await soon(lambda: got == ["2", "3"])


async def test_a_handler_that_takes_too_long_is_cancelled(dispatcher: Dispatcher, reports: Reports) -> None:
    async def handler(event: MessageEvent) -> None:
        await asyncio.sleep(60)

    dispatcher.register(handler, timeout=0.01)
    dispatcher.dispatch(said(1))
    await soon(lambda: reports)
    assert isinstance(reports[0][0], TimeoutError)


async def test_a_plain_function_that_returns_a_coroutine_is_reported(dispatcher: Dispatcher, reports: Reports) -> None:
    async def work() -> None: ...

    dispatcher.register(lambda _: work(), MessageEvent)
    dispatcher.dispatch(said(1))
    await soon(lambda: reports)
    assert isinstance(reports[0][0], TypeError)


async def test_an_inline_function_that_returns_a_coroutine_is_reported(
    dispatcher: Dispatcher, reports: Reports
) -> None:
    async def work() -> None: ...

    dispatcher.register(lambda _: work(), MessageEvent, inline=True)
    dispatcher.dispatch(said(1))
    dispatcher.dispatch(said(2))
    assert [type(error) for error, _ in reports] == [TypeError] * 2


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_full_queue_drops_and_says_so_once(dispatcher: Dispatcher, reports: Reports, kind: str) -> None:
    begun, go_on = threading.Event(), threading.Event()
    got: list[str] = []

    async def coroutine(event: MessageEvent) -> None:
        begun.set()
        await soon(go_on.is_set)
        got.append(event.text)

    def plain(event: MessageEvent) -> None:
        begun.set()
        go_on.wait(PATIENCE)
        got.append(event.text)

    registration = dispatcher.register(coroutine if kind == "async" else plain, limit=5, overflow="drop_newest")
    for i in range(20):
        dispatcher.dispatch(said(i))
    await soon(begun.is_set)
    assert [type(error) for error, _ in reports] == [EventsDropped]
    dropped = registration.dropped
    assert dropped >= 14
    go_on.set()
    await soon(lambda: len(got) == 20 - dropped)
    await soon(lambda: registration.waiting == 0)
    for i in range(20, 40):
        dispatcher.dispatch(said(i))
    assert [type(error) for error, _ in reports] == [EventsDropped] * 2
    assert got[:5] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_full_queue_may_drop_what_waits_longest(dispatcher: Dispatcher, reports: Reports, kind: str) -> None:
    begun, go_on = threading.Event(), threading.Event()
    got: list[str] = []

    def plain(event: MessageEvent) -> None:
        begun.set()
        go_on.wait(PATIENCE)
        got.append(event.text)

    async def coroutine(event: MessageEvent) -> None:
        begun.set()
        await asyncio.to_thread(go_on.wait, PATIENCE)
        got.append(event.text)

    registration = dispatcher.register(
        coroutine if kind == "async" else plain, limit=3, overflow="drop_oldest", concurrency=1
    )
    dispatcher.dispatch(said(0))
    await soon(begun.is_set)
    for i in range(1, 20):
        dispatcher.dispatch(said(i))
    go_on.set()
    await soon(lambda: registration.waiting == 0)
    await soon(lambda: len(got) == 20 - registration.dropped)

    assert got[0] == "0"
    assert got[-1] == "19"
    assert got == sorted(got, key=int)
    assert got[1:] == [str(each) for each in range(20 - len(got) + 1, 20)]
    assert 2 <= len(got) - 1 <= 3  # a thread may hold one it took with the first
    assert [type(error) for error, _ in reports] == [EventsDropped]
    assert reports[0][1].text != "19"


@given(
    puts=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    limit=st.integers(1, 6),
    overflow=st.sampled_from(["drop_newest", "drop_oldest"]),
)
@settings(deadline=None, max_examples=60)
def test_what_is_not_dropped_arrives_in_order(puts: list[tuple[str, bool]], limit: int, overflow: Overflow) -> None:
    """Whatever is put and whenever the workers get their turn: each item is run or dropped, once, in order."""

    async def run() -> None:
        ran: list[tuple[str, int]] = []
        dropped: list[tuple[str, int]] = []

        async def work(item: tuple[str, int]) -> None:
            await asyncio.sleep(0)
            ran.append(item)

        lanes = TaskQueue(
            work,
            lambda error, item: None,
            lambda item, count: dropped.append(item),
            name="work",
            key_of=lambda item: item[0],
            concurrency=2,
            limits=Limits(limit, 1 << 30, overflow),
            flow=Backpressure(),
        )
        for number, (key, lets_run) in enumerate(puts):
            lanes.put((key, number))
            assert lanes.waiting <= limit
            if lets_run:
                await asyncio.sleep(0)
        assert await lanes.close(PATIENCE, Callers())
        assert len(dropped) == lanes.dropped
        assert sorted(ran + dropped, key=lambda item: item[1]) == [(key, n) for n, (key, _) in enumerate(puts)]
        for key in "abc":
            numbers = [number for which, number in ran if which == key]
            assert numbers == sorted(numbers)

    asyncio.run(run())


@pytest.mark.parametrize("options", [{"inline": True}, {"timeout": 1, "plain": True}])
async def test_options_that_do_not_fit_are_refused(dispatcher: Dispatcher, options: dict[str, Any]) -> None:
    async def coroutine(event: MessageEvent) -> None: ...

    def plain(event: MessageEvent) -> None: ...

    with pytest.raises(ValueError, match=r"plain|coroutine"):
        dispatcher.register(plain if options.pop("plain", False) else coroutine, **options)


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"limit": 0}, {"limit_bytes": -1}, {"timeout": 0}, {"overflow": "block"}]
)
async def test_options_that_make_no_sense_are_refused(dispatcher: Dispatcher, options: dict[str, Any]) -> None:
    async def handler(event: MessageEvent) -> None: ...

    with pytest.raises(ValueError, match=next(iter(options))):
        dispatcher.register(handler, **options)


# -- the end ------------------------------------------------------------------------------------------------------


async def test_idle_threads_end_by_themselves(dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.client.handlers.workers._IDLE_LIFE", 0.02)
    got: list[Event] = []
    dispatcher.register(got.append, MessageEvent)
    for i in range(30):  # threads end and are made anew under our hands
        dispatcher.dispatch(said(i, f"C{i % 5}"))
        await asyncio.sleep(0.001 if i % 5 else 0.021)
    await soon(lambda: len(got) == 30)
    eventually(lambda: not [each for each in threading.enumerate() if each.name.startswith("tautwire")])


async def test_closing_lets_work_finish_within_the_grace(dispatcher: Dispatcher) -> None:
    got: list[str] = []

    async def coroutine(event: MessageEvent) -> None:
        await asyncio.sleep(0.001)
        got.append("a" + event.text)

    def plain(event: MessageEvent) -> None:
        time.sleep(0.001)
        got.append("p" + event.text)

    dispatcher.register(coroutine)
    dispatcher.register(plain)
    for i in range(10):
        dispatcher.dispatch(said(i))
    assert await asyncio.gather(*(each.close(5.0, Callers()) for each in dispatcher.bindings)) == [True, True]
    assert sorted(got) == sorted([f"a{i}" for i in range(10)] + [f"p{i}" for i in range(10)])
    dispatcher.dispatch(said(99))
    assert len(got) == 20


async def test_closing_without_grace_cancels_coroutines_and_forgets_the_rest(dispatcher: Dispatcher) -> None:
    outcomes: list[str] = []

    async def handler(event: MessageEvent) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            outcomes.append(event.text)
            raise

    dispatcher.register(handler)
    for i in range(3):
        dispatcher.dispatch(said(i))
    await asyncio.sleep(0.01)
    (binding,) = dispatcher.bindings
    assert await binding.close(0.0, Callers())
    assert outcomes == ["0"]


async def test_a_thread_that_does_not_end_is_told_and_left(
    dispatcher: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.client.handlers.workers._LAST_WAIT", 0.05)
    go_on = threading.Event()
    dispatcher.register(lambda _: go_on.wait(PATIENCE), MessageEvent)
    dispatcher.dispatch(said(1))
    (binding,) = dispatcher.bindings
    assert not await binding.close(0.05, Callers())
    go_on.set()
