"""What only the asyncio client has to get right: cancellation, handlers on the loop, and what it leaves behind."""

import asyncio
import logging
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from drive import QUICK, MakeAsync, peer, until
from fake import PATIENCE, TOKEN, FakeServer, answer_all, message
from tautwire import (
    Backoff,
    Cause,
    ClientClosed,
    ClientState,
    Closed,
    ConnectError,
    Dispatcher,
    MessageEvent,
    NotConnected,
    RTMClient,
    SendUnknown,
    Timeouts,
)
from tautwire.client.connection.connection import Connection
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.frames import PingMessage
from tautwire.testing.thread import LoopThread


async def test_a_loop_that_is_blocked_again_and_again_notices_silence_all_the_same(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.client.connection.connection._LATE", 0.01)
    fake.reply = lambda frame: None
    closes: list[Closed] = []
    client = make(timeouts=Timeouts(idle=0.05, silence=0.1))
    client.add_close_handler(closes.append)
    await client.connect()
    async with asyncio.timeout(PATIENCE):
        while not closes:
            time.sleep(0.05)  # noqa: ASYNC251 (the point)
            await asyncio.sleep(0)
    assert closes[0].cause is Cause.SILENCE


async def test_async_with_connects_and_closes(fake: FakeServer, make: MakeAsync) -> None:
    async with make() as client:
        assert client.is_connected
    assert client.state is ClientState.CLOSED


async def test_async_with_that_cannot_connect_leaves_a_closed_client(fake: FakeServer, make: MakeAsync) -> None:
    fake.answers.append((500, {}, ""))
    client = make()
    with pytest.raises(ConnectError):
        await client.__aenter__()
    assert client.state is ClientState.CLOSED


async def test_a_connect_that_is_given_up_stops_trying(fake: FakeServer, make: MakeAsync) -> None:
    fake.upgrades.append(0)
    client = make()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.connect()
    assert client.state is ClientState.IDLE
    await client.connect()


@pytest.mark.parametrize("answer", [(500, {}, ""), {"ok": False, "error": "invalid_auth"}])
@pytest.mark.parametrize("verb", ["connect", "reconnect"])
async def test_after_a_failure_the_next_try_may_follow_at_once(
    fake: FakeServer, make: MakeAsync, answer: Any, verb: str
) -> None:
    client = make()
    fake.answers.extend([answer] * 2)
    async with asyncio.timeout(PATIENCE):
        for _ in range(2):
            with pytest.raises(ConnectError):
                await client.connect()
            with pytest.raises(NotConnected):
                await client.say("C1", "x")
        await getattr(client, verb)()
    assert client.is_connected
    assert len(fake.connects) == 3


async def test_after_a_failure_run_may_follow_at_once(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    fake.answers.append((500, {}, ""))

    async def connect_and_run() -> None:
        with pytest.raises(ConnectError):
            await client.connect()
        await client.run()

    running = asyncio.create_task(connect_and_run())
    await until(lambda: client.is_connected)
    await client.close()
    await running


async def test_nobody_is_left_without_an_attempt_when_another_gives_up(fake: FakeServer, make: MakeAsync) -> None:
    fake.upgrades.append(0)
    client = make()
    first, second = (asyncio.create_task(client.connect()) for _ in range(2))
    await until(lambda: fake.upgrade_paths)
    first.cancel()
    await asyncio.wait([first])
    assert client.state is ClientState.CONNECTING
    second.cancel()
    await asyncio.wait([second])
    assert client.state is ClientState.IDLE


async def test_a_reconnect_that_joins_an_attempt_wants_no_other(fake: FakeServer, make: MakeAsync) -> None:
    client = make(auto_reconnect=False)
    await client.connect()
    await peer(fake)
    fake.greeting = []
    reconnects = [asyncio.create_task(client.reconnect())]
    second = await peer(fake)
    reconnects.append(asyncio.create_task(client.reconnect()))
    await asyncio.sleep(0)
    second.send({"type": "hello"})
    await asyncio.gather(*reconnects)
    second.drop()
    await until(lambda: client.state is ClientState.IDLE)
    assert len(fake.connects) == 2


@pytest.mark.parametrize("moment", ["beginning", "connecting", "waiting", "ready"])
async def test_who_cancels_the_clients_own_tasks_ends_the_client_but_not_silently(
    fake: FakeServer, make: MakeAsync, caplog: Any, moment: str
) -> None:
    client = make(backoff=Backoff(base=1000.0, cap=1000.0))
    closed: list[Any] = []
    client.add_close_handler(closed.append)
    if moment == "connecting":
        fake.upgrades.append(0)
    before = asyncio.all_tasks()
    callers = [asyncio.create_task(client.run()), asyncio.create_task(client.connect())]
    await asyncio.sleep(0)
    if moment != "beginning":
        await until(lambda: fake.upgrade_paths)
    if moment in ("waiting", "ready"):
        await until(lambda: client.is_connected)
    if moment == "waiting":
        (await peer(fake)).drop()
        await until(lambda: client.state is ClientState.WAITING)
        callers.append(asyncio.create_task(client.connect()))
        await asyncio.sleep(0)
    for each in asyncio.all_tasks() - before - set(callers):
        each.cancel()
    ran, *connected = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(ran, NotConnected)
    assert "cancelled" in str(ran)
    assert connected[-1] is (None if moment == "ready" else ran)
    assert client.state is ClientState.CLOSED
    assert [each.will_reconnect for each in closed] == {"waiting": [True], "ready": [False]}.get(moment, [])
    assert "cancelled" in caplog.text


async def test_a_hello_that_comes_after_close_is_not_heard(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make()
    heard: list[Any] = []
    client.register(heard.append, "*", inline=True)
    client.add_close_handler(heard.append)
    begun = asyncio.Event()
    open_ = Connection.open

    async def open_late(*args: Any) -> Connection:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await open_(*args)
        raise asyncio.CancelledError

    monkeypatch.setattr(Connection, "open", open_late)
    connecting = asyncio.create_task(client.connect())
    await begun.wait()
    await client.close()
    with pytest.raises(ClientClosed):
        await connecting
    assert (await peer(fake)).closed.wait(PATIENCE)
    assert client.state is ClientState.CLOSED
    assert not client.is_connected
    assert heard == []


async def test_a_client_whose_own_task_was_cancelled_may_connect_again(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    before = asyncio.all_tasks()
    await client.connect()
    server = await peer(fake)
    for each in asyncio.all_tasks() - before:
        each.cancel()
    await until(lambda: client.state is ClientState.IDLE)
    assert await asyncio.to_thread(server.closed.wait, PATIENCE)
    assert server.close_code == 1000
    with pytest.raises(NotConnected):
        await client.say("C1", "x")
    await client.connect()
    assert client.is_connected


async def test_connects_at_once_make_one_connection(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    await asyncio.gather(*(client.connect() for _ in range(5)))
    assert len(fake.connects) == 1


async def test_reconnects_at_once_make_one_connection(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    await client.connect()
    await asyncio.gather(*(client.reconnect() for _ in range(5)))
    assert len(fake.connects) == 2


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_cancelling_run_ends_everything_at_once_though_a_handler_is_busy(
    fake: FakeServer, make: MakeAsync, kind: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    client = make()

    async def coroutine(_: MessageEvent) -> None:
        begun.set()
        await asyncio.sleep(60)

    def plain(_: MessageEvent) -> None:
        begun.set()
        go_on.wait(PATIENCE)

    client.register(coroutine if kind == "async" else plain)
    fake.greeting.append(message(1))
    running = asyncio.create_task(client.run())
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    began = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - began < 2.0
    assert client.state is ClientState.CLOSED
    go_on.set()


async def test_a_coroutine_handler_may_send_and_close(fake: FakeServer, make: MakeAsync) -> None:
    fake.reply = answer_all
    client = make()
    steps: list[object] = []

    @client.on(MessageEvent)
    async def handler(event: MessageEvent) -> None:
        steps.append((await client.say(event.channel, "back")).text)
        await client.close()
        steps.append("went on after close")

    fake.greeting.append(message(1))
    await client.run()
    assert steps[0] == "back"
    assert client.state is ClientState.CLOSED
    await until(lambda: len(steps) == 2)


async def test_a_coroutine_handler_may_reconnect(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    done = asyncio.Event()

    @client.on(MessageEvent)
    async def handler(_: MessageEvent) -> None:
        await client.reconnect()
        done.set()

    await client.connect()
    (await peer(fake)).send(message(1))
    await asyncio.wait_for(done.wait(), PATIENCE)
    assert len(fake.connects) == 2


async def test_sends_are_pipelined(fake: FakeServer, make: MakeAsync) -> None:
    held: list[dict[str, Any]] = []

    def hold(frame: dict[str, Any]) -> dict[str, Any] | None:
        held.append(frame)
        return None

    fake.reply = hold
    client = make()
    await client.connect()
    sends = [asyncio.create_task(client.say("C1", str(i))) for i in range(5)]
    server = await peer(fake)
    await until(lambda: len(held) == 5)
    for frame in reversed(held):  # replies in any order
        server.send(answer_all(frame))
    acks = await asyncio.gather(*sends)
    assert [each.text for each in acks] == list("01234")


async def test_sends_that_waited_for_the_connection_go_in_the_order_they_asked(
    fake: FakeServer, make: MakeAsync
) -> None:
    client = make()
    await client.connect()
    order: list[str] = []

    def note(frame: dict[str, Any]) -> dict[str, Any] | None:
        if frame["type"] == "message":
            order.append(frame["text"])
        return answer_all(frame)

    fake.reply = note
    fake.greeting = []
    (await peer(fake)).drop()
    await until(lambda: not client.is_connected)
    texts = [str(i) for i in range(50)]
    sends = [asyncio.create_task(client.say("C1", each)) for each in texts]
    second = await peer(fake)
    second.send({"type": "hello"})
    await asyncio.gather(*sends)
    assert order == texts


async def test_a_send_that_nobody_waits_for_any_more_harms_nothing(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    await client.connect()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.say("C1", "x")
    server = await peer(fake)
    server.send({"ok": True, "reply_to": server.next_frame("message")["id"], "ts": "1"})
    assert await client.ping() < 5


async def test_errors_reach_the_error_handlers(fake: FakeServer, make: MakeAsync, caplog: Any) -> None:
    client = make()
    errors: asyncio.Queue[tuple[BaseException, Any]] = asyncio.Queue()

    async def on_error(error: BaseException, event: Any) -> None:
        await errors.put((error, event))
        raise ZeroDivisionError("an error handler with an error")

    client.add_error_handler(on_error)

    def plain(_: MessageEvent) -> None:
        raise LookupError("in a thread")

    @client.on(MessageEvent)
    async def coroutine(_: MessageEvent) -> None:
        raise KeyError("on the loop")

    client.register(plain)
    fake.answers.append((500, {}, ""))
    with pytest.raises(ConnectError):
        await client.connect()
    error, event = await asyncio.wait_for(errors.get(), PATIENCE)
    assert (type(error), event) == (ConnectError, None)
    await client.connect()
    (await peer(fake)).send(message(1))
    found = [await asyncio.wait_for(errors.get(), PATIENCE) for _ in range(2)]
    assert {type(error) for error, _ in found} == {LookupError, KeyError}
    assert {type(event) for _, event in found} == {MessageEvent}
    assert client.remove_error_handler(on_error)
    await asyncio.sleep(0.05)
    assert [each.levelno for each in caplog.records if "on_error failed" in each.getMessage()] == [logging.ERROR] * 3
    assert errors.empty()


async def test_handlers_of_all_kinds_come_and_go(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    calls: list[str] = []
    raw = client.add_message_handler(lambda text: calls.append("raw"))
    closed = client.add_close_handler(lambda closed: calls.append("closed"))
    gap = client.add_gap_handler(lambda gap: calls.append("gap"))
    for each in (raw, closed, gap):
        each.deregister()
    await client.connect()
    await client.reconnect()
    await client.disconnect()
    assert not client.remove_message_handler(print)
    assert not client.remove_close_handler(print)
    assert not client.remove_gap_handler(print)
    assert calls == []


async def test_a_dispatcher_may_be_filled_before_there_is_a_client(fake: FakeServer, make: MakeAsync) -> None:
    dispatcher = Dispatcher()
    got: asyncio.Queue[MessageEvent] = asyncio.Queue()
    dispatcher.register(got.put, MessageEvent)
    client = make(dispatcher=dispatcher)
    assert client.dispatcher is dispatcher
    with pytest.raises(ConfigError, match="another client"):
        make(dispatcher=dispatcher)
    fake.greeting.append(message(1))
    await client.connect()
    assert (await asyncio.wait_for(got.get(), PATIENCE)).text == "1"


async def test_the_identity_is_known_from_the_first_connection_on(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    with pytest.raises(NotConnected):
        _ = client.identity
    await client.connect()
    await client.disconnect()
    assert client.identity.team.name == "Acme"


async def test_a_reply_of_another_kind_tells_nothing(fake: FakeServer, make: MakeAsync) -> None:
    """The message may be stored or not: a pong is no ack."""
    client = make()
    fake.reply = lambda received: {"type": "pong", "reply_to": received["id"]}
    await client.connect()
    with pytest.raises(SendUnknown, match="Pong"):
        await client.say("C1", "x")
    fake.reply = lambda received: {"ok": True, "reply_to": received["id"], "ts": "1.1"}
    with pytest.raises(SendUnknown, match="Ack"):
        await client.send(PingMessage())


async def test_a_connection_that_takes_no_frames_is_waited_out(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(send_timeout=0.1)
    await client.connect()
    (connection,) = client._supervisor._open
    monkeypatch.setattr(type(connection), "is_live", False)
    with pytest.raises(NotConnected):
        await client.say("C1", "x")


async def test_waiting_sends_learn_that_the_client_was_closed(fake: FakeServer, make: MakeAsync) -> None:
    client = make(backoff=Backoff(base=1000.0, cap=1000.0))
    await client.connect()
    (await peer(fake)).drop()
    await until(lambda: not client.is_connected)
    waiting = asyncio.create_task(client.say("C1", "x"))
    await asyncio.sleep(0)
    await client.close()
    with pytest.raises(ClientClosed):
        await waiting


async def test_a_client_of_another_loop_says_so_at_once(fake: FakeServer) -> None:
    """What it has belongs to that loop: its futures would never be done here, and its socket is not for this thread."""
    there = LoopThread()
    client = RTMClient(TOKEN, fake.api_url, backoff=QUICK)
    await there.wait(client.connect())
    try:
        for verb in ("connect", "reconnect", "disconnect", "ping", "run", "close"):
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
                    await getattr(client, verb)()
        for work in (client.say("C1", "x"), client.typing("C1"), client.presence_sub(["U1"])):
            with pytest.raises(RuntimeError, match="run_coroutine_threadsafe"):
                await work
        assert client.is_connected
    finally:
        await there.wait(client.close())
        there.close()
    assert client.state is ClientState.CLOSED


def test_a_client_serves_one_loop_after_the_other(fake: FakeServer) -> None:
    client = RTMClient(TOKEN, fake.api_url, backoff=QUICK)
    heard: list[str] = []

    @client.on(MessageEvent)
    async def note(event: MessageEvent) -> None:
        heard.append(event.text)

    async def serve(number: int) -> None:
        await client.connect()
        await asyncio.to_thread((await peer(fake)).send, message(number))
        await until(lambda: str(number) in heard)
        await client.disconnect()

    asyncio.run(serve(1))
    asyncio.run(serve(2))
    asyncio.run(client.close())
    assert heard == ["1", "2"]
