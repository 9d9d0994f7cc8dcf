"""Functions of a client's life: when they run, how often, and what becomes of those that fail."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from drive import MakeAsync, MakeClient, eventually, peer, until
from fake import PATIENCE, TOKEN, FakeServer
from tautwire import (
    BlockingRTMClient,
    ClientClosed,
    ClientState,
    ConfigError,
    ConnectRefused,
    Dispatcher,
    Metrics,
    Ready,
    Resume,
    RTMClient,
    Run,
)


def noting(notes: list[Any], what: Any, *, is_async: bool) -> Callable[[], Any]:
    """Return a function without arguments that makes a note."""

    async def note_async() -> None:
        notes.append(what)

    def note() -> None:
        notes.append(what)

    return note_async if is_async else note


both_kinds = pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "plain"])


# -- on_ready -----------------------------------------------------------------------------------------------------


@both_kinds
def test_ready_handlers_learn_of_each_hello(client: Any, fake: FakeServer, is_async: bool) -> None:
    got: list[Ready] = []

    async def note_async(ready: Ready) -> None:
        got.append(ready)

    def note(ready: Ready) -> None:
        got.append(ready)

    assert client.on_ready(note_async if is_async else note) in (note_async, note)
    client.connect()
    fake.peer()
    eventually(lambda: len(got) == 1)
    client.reconnect()
    second = fake.peer()
    eventually(lambda: len(got) == 2)
    second.drop()
    fake.peer()
    eventually(lambda: len(got) == 3)
    first, planned, back = got
    assert (first.is_first, first.gap, first.may_miss_events) == (True, None, False)
    assert first.identity == client.identity
    assert (planned.is_first, planned.gap, planned.may_miss_events) == (False, None, False)
    assert (back.is_first, back.resume, back.may_miss_events) == (False, None, True)
    assert back.gap is not None


def test_a_resumed_connection_misses_nothing(client: Any, fake: FakeServer) -> None:
    fake.answers.extend([{"resume": "new", "position": 1}, {"resume": "resumed", "position": 1}])
    got: list[Ready] = []
    client.add_ready_handler(got.append)
    client.connect()
    fake.peer().drop()
    fake.peer()
    eventually(lambda: len(got) == 2)
    assert [each.resume for each in got] == [Resume.NEW, Resume.RESUMED]
    assert [each.may_miss_events for each in got] == [False, False]


def test_a_ready_handler_that_was_taken_out_is_not_called(client: Any, fake: FakeServer) -> None:
    got, kept = list[Ready](), list[Ready]()

    def note(ready: Ready) -> None:
        got.append(ready)

    client.add_ready_handler(note)
    client.add_ready_handler(note).deregister()
    assert client.remove_ready_handler(note)
    assert not client.remove_ready_handler(note)
    client.on_ready(kept.append)
    client.connect()
    eventually(lambda: kept)
    assert got == []


# -- wait_ready ---------------------------------------------------------------------------------------------------


def test_wait_ready_returns_the_last_hello(client: Any, fake: FakeServer) -> None:
    client.connect()
    assert client.wait_ready(timeout=PATIENCE).is_first
    client.reconnect()
    eventually(lambda: not client.wait_ready().is_first)


def test_wait_ready_gives_up_after_its_time(client: Any) -> None:
    with pytest.raises(TimeoutError, match=r"not ready after 0\.01 s"):
        client.wait_ready(timeout=0.01)
    with pytest.raises(ConfigError, match="timeout must be 0 or a positive number"):
        client.wait_ready(timeout=-1)


def test_wait_ready_raises_when_nothing_can_come(client: Any, fake: FakeServer) -> None:
    fake.answers.append({"ok": False, "error": "invalid_auth"})
    with pytest.raises(ConnectRefused):
        client.connect()
    with pytest.raises(ConnectRefused):
        client.wait_ready()


def test_wait_ready_after_close_raises(client: Any) -> None:
    client.close()
    with pytest.raises(ClientClosed):
        client.wait_ready()


async def test_wait_ready_waits_for_a_run_that_begins_later(make: MakeAsync, fake: FakeServer) -> None:
    client = make()
    waiting = asyncio.create_task(client.wait_ready())
    await asyncio.sleep(0)
    running = asyncio.create_task(client.run())
    assert (await waiting).identity.user.id == client.identity.user.id
    await client.close()
    await running


@pytest.mark.parametrize("end", ["refusal", "close"])
async def test_wait_ready_ends_with_the_client(make: MakeAsync, fake: FakeServer, end: str) -> None:
    client = make()
    waiting = asyncio.create_task(client.wait_ready())
    await asyncio.sleep(0)
    if end == "refusal":
        fake.answers.append({"ok": False, "error": "invalid_auth"})
        with pytest.raises(ConnectRefused):
            await client.run()
        with pytest.raises(ConnectRefused):
            await waiting
    else:
        await client.close()
        with pytest.raises(ClientClosed):
            await waiting


# -- states -------------------------------------------------------------------------------------------------------


def test_state_handlers_get_every_state(client: Any, fake: FakeServer) -> None:
    got: list[ClientState] = []
    registered = client.add_state_handler(got.append)
    client.connect()
    fake.peer()
    client.disconnect()
    client.close()
    eventually(lambda: got[-1:] == [ClientState.CLOSED])
    assert got == [
        ClientState.WAITING,
        ClientState.CONNECTING,
        ClientState.READY,
        ClientState.IDLE,
        ClientState.CLOSED,
    ] or got == [ClientState.CONNECTING, ClientState.READY, ClientState.IDLE, ClientState.CLOSED]
    registered.deregister()
    assert not client.remove_state_handler(got.append)


# -- on_start -----------------------------------------------------------------------------------------------------


@both_kinds
def test_start_handlers_run_once_one_after_the_other_before_the_first_connection(
    client: Any, fake: FakeServer, is_async: bool
) -> None:
    notes: list[Any] = []
    client.on_start(noting(notes, "first", is_async=is_async))
    client.on_start(noting(notes, "second", is_async=is_async))
    client.on_start(lambda: notes.append(len(fake.connects)))
    client.connect()
    assert notes == ["first", "second", 0]
    client.disconnect()
    client.connect()
    assert notes == ["first", "second", 0]


@both_kinds
def test_what_a_start_handler_raises_ends_the_start(client: Any, fake: FakeServer, is_async: bool) -> None:
    fails = [ValueError("no database")]

    async def fail_async() -> None:
        if fails:
            raise fails.pop()

    def fail() -> None:
        if fails:
            raise fails.pop()

    client.on_start(fail_async if is_async else fail)
    with pytest.raises(ValueError, match="no database"):
        client.connect()
    assert fake.connects == []
    client.connect()  # which runs it again
    assert client.is_connected


def test_run_raises_what_a_start_handler_raises_and_closes(client: Any, fake: FakeServer) -> None:
    notes: list[str] = []

    @client.on_start
    def fail() -> None:
        raise ValueError("no database")

    client.on_stop(lambda: notes.append("stopped"))
    with pytest.raises(ValueError, match="no database"):
        client.run()
    assert client.state is ClientState.CLOSED
    assert notes == ["stopped"]


def test_a_plain_start_handler_cannot_wait_for_the_connection(fake: FakeServer) -> None:
    client = BlockingRTMClient(TOKEN, fake.api_url)
    errors: list[BaseException] = []

    def wait() -> None:
        for verb in (client.connect, client.reconnect, client.wait_ready):
            try:
                verb()
            except RuntimeError as error:
                errors.append(error)

    client.on_start(wait)
    with client:
        assert client.is_connected
    assert len(errors) == 3
    assert all("use on_ready" in str(each) for each in errors)


async def test_a_coroutine_start_handler_cannot_wait_for_the_connection(make: MakeAsync, fake: FakeServer) -> None:
    client = make()
    workers: list[asyncio.Task[Ready]] = []

    @client.on_start
    async def wait() -> None:
        if not workers:
            workers.append(asyncio.create_task(client.wait_ready()))  # a task of its own may wait
            await client.connect()

    with pytest.raises(RuntimeError, match="wait is an on_start handler"):
        await client.connect()
    await client.connect()
    assert (await workers[0]).is_first


@pytest.mark.parametrize("verb", ["run", "connect"])
async def test_close_ends_a_start_handler(make: MakeAsync, fake: FakeServer, verb: str) -> None:
    client = make()
    begun, ended = asyncio.Event(), asyncio.Event()

    @client.on_start
    async def hang() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    starting = asyncio.create_task(getattr(client, verb)())
    await begun.wait()
    await client.close(grace=0.0)
    assert ended.is_set()
    if verb == "run":
        assert await starting is None
    else:
        with pytest.raises(ClientClosed):
            await starting
    assert fake.connects == []


async def test_two_callers_share_one_start(make: MakeAsync, fake: FakeServer) -> None:
    client, notes, go = make(), list[str](), asyncio.Event()

    @client.on_start
    async def note() -> None:
        notes.append("started")
        await go.wait()

    callers = [asyncio.create_task(client.connect()) for _ in range(2)]
    await until(lambda: notes)
    go.set()
    await asyncio.gather(*callers)
    assert notes == ["started"]


# -- on_stop ------------------------------------------------------------------------------------------------------


@both_kinds
def test_stop_handlers_run_while_there_is_a_connection(client: Any, fake: FakeServer, is_async: bool) -> None:
    states: list[tuple[str, bool]] = []
    connection = client if not isinstance(client, BlockingRTMClient) else client._client

    async def note_async() -> None:
        states.append(("stop", connection.is_connected))

    def note() -> None:
        states.append(("stop", connection.is_connected))

    client.on_stop(note_async if is_async else note)
    client.connect()
    client.disconnect()
    client.connect()
    assert states == []
    client.close()
    client.close()
    assert states == [("stop", True)]


def test_stop_handlers_may_send(client: Any, fake: FakeServer) -> None:
    sent: list[Any] = []
    client.on_stop(lambda: sent.append(client.ping()))
    client.connect()
    client.close()
    assert len(sent) == 1


def test_stop_handlers_do_not_run_for_a_client_that_did_nothing(client: Any) -> None:
    notes: list[str] = []
    client.on_stop(lambda: notes.append("stopped"))
    client.close()
    assert notes == []


def test_a_stop_handler_that_fails_is_reported_and_the_others_run(client: Any, fake: FakeServer) -> None:
    notes: list[str] = []
    errors: list[BaseException] = []

    def fail() -> None:
        raise ValueError("no")

    client.add_error_handler(lambda error, event: errors.append(error))
    client.on_stop(fail)
    client.on_stop(lambda: notes.append("stopped"))
    client.connect()
    client.close()
    assert notes == ["stopped"]
    assert [str(each) for each in errors] == ["no"]


async def test_a_stop_handler_that_hangs_is_cancelled(
    make: MakeAsync, fake: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    client, ended = make(), asyncio.Event()

    @client.on_stop
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    await client.connect()
    await client.close(grace=0.1)
    assert ended.is_set()
    assert "hang is not done when its time is over" in caplog.text


async def test_cancelling_run_lets_stop_handlers_work_for_a_moment(make: MakeAsync, fake: FakeServer) -> None:
    client, done = make(), asyncio.Event()

    @client.on_stop
    async def work() -> None:
        await client.ping()
        done.set()

    running = asyncio.create_task(client.run())
    await client.wait_ready()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert done.is_set()


async def test_a_second_cancellation_ends_the_grace(make: MakeAsync, fake: FakeServer) -> None:
    client, began, ended = make(), asyncio.Event(), asyncio.Event()

    @client.on_stop
    async def hang() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.create_task(client.run(grace=3600.0))
    await client.wait_ready()
    await client.disconnect()  # so that run() closes the client, with its long grace
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended.is_set()


# -- every --------------------------------------------------------------------------------------------------------


@both_kinds
def test_a_job_begins_with_the_hello_and_ends_with_the_client(client: Any, fake: FakeServer, is_async: bool) -> None:
    notes: list[Any] = []
    job = noting(notes, "ran", is_async=is_async)
    assert client.every(0.001)(job) is job
    client.on_start(lambda: notes.append("start"))
    client.connect()
    eventually(lambda: notes.count("ran") > 3)
    assert notes[0] == "start"
    client.disconnect()
    runs = len(notes)
    eventually(lambda: len(notes) > runs)  # away or not
    client.close()
    runs = len(notes)
    assert client.state is ClientState.CLOSED
    assert len(notes) == runs


def test_a_job_can_run_at_once(client: Any, fake: FakeServer) -> None:
    at_once, later = list[str](), list[str]()
    client.every(3600, at_once=True)(noting(at_once, "ran", is_async=False))
    client.every(3600)(noting(later, "ran", is_async=False))
    client.connect()
    eventually(lambda: at_once)
    assert later == []


def test_a_job_that_is_added_later_runs_too_and_one_taken_out_does_not(client: Any, fake: FakeServer) -> None:
    notes: list[str] = []
    client.connect()
    job = client.every(0.001)(noting(notes, "ran", is_async=True))
    eventually(lambda: len(notes) > 2)
    assert client.remove_job(job)
    assert not client.remove_job(job)
    marks: list[str] = []
    client.every(0.001)(noting(marks, "ran", is_async=True))
    eventually(lambda: len(marks) > 2)  # by now the first one is out
    runs = len(notes)
    eventually(lambda: len(marks) > 20)
    assert len(notes) == runs


@both_kinds
def test_a_job_that_fails_is_reported_and_runs_again(client: Any, fake: FakeServer, is_async: bool) -> None:
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))

    async def fail_async() -> None:
        raise ValueError("no")

    def fail() -> None:
        raise ValueError("no")

    client.every(0.001)(fail_async if is_async else fail)
    client.connect()
    eventually(lambda: len(errors) > 2)
    assert {str(each) for each in errors} == {"no"}


def test_a_job_that_meets_a_cancelled_task_runs_again(client: Any, fake: FakeServer) -> None:
    runs: list[str] = []

    @client.every(0.001)
    async def work() -> None:
        runs.append("ran")
        raise asyncio.CancelledError

    client.connect()
    eventually(lambda: len(runs) > 2)


@both_kinds
def test_a_job_never_runs_twice_at_once(client: Any, fake: FakeServer, is_async: bool) -> None:
    running, most, runs = 0, 0, 0

    def begin() -> None:
        nonlocal running, most, runs
        running, runs = running + 1, runs + 1
        most = max(most, running)

    def end() -> None:
        nonlocal running
        running -= 1

    async def work_async() -> None:
        begin()
        await asyncio.sleep(0.01)
        end()

    def work() -> None:
        begin()
        threading.Event().wait(0.01)
        end()

    client.every(0.001)(work_async if is_async else work)
    client.connect()
    eventually(lambda: runs > 5)
    assert most == 1


def test_a_job_may_close_the_client(client: Any, fake: FakeServer) -> None:
    if isinstance(client, BlockingRTMClient):

        @client.every(0.001)
        def end() -> None:
            client.close()

    else:

        @client.every(0.001)
        async def end_async() -> None:
            await client._client.close()

    client.run()
    assert client.state is ClientState.CLOSED


async def test_a_run_that_is_under_way_gets_the_grace(make: MakeAsync, fake: FakeServer) -> None:
    client, began, done = make(), asyncio.Event(), asyncio.Event()

    @client.every(0.001)
    async def work() -> None:
        began.set()
        await asyncio.sleep(0.05)
        done.set()

    await client.connect()
    await began.wait()
    await client.close(grace=PATIENCE)
    assert done.is_set()


# -- registration -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [RTMClient, BlockingRTMClient])
def test_what_can_never_be_called_is_refused(kind: type[Any]) -> None:
    client = kind(TOKEN, "http://127.0.0.1:9/api/")
    for decorator in (client.on_start, client.on_stop, client.every(1)):
        with pytest.raises(TypeError, match=r"handlers are called with no arguments, unlike .*\(event\)"):
            decorator(lambda event: None)
    adders = (
        (client.on_ready, "a Ready"),
        (client.add_state_handler, "a ClientState"),
        (client.add_message_handler, "the text of a frame"),
        (client.add_close_handler, "a Closed"),
        (client.add_gap_handler, "a Gap"),
        (client.add_backfill_handler, "a Backfilled"),
    )
    for add, what in adders:
        with pytest.raises(TypeError, match=f"called with one argument, {what}"):
            add(lambda: None)
        with pytest.raises(TypeError, match="needs a function, got 5"):
            add(5)
    with pytest.raises(TypeError, match="error handlers are called with two arguments, an exception and an event"):
        client.add_error_handler(lambda error: None)
    with pytest.raises(TypeError, match=r"write @client.every\(60\)"):
        client.every(lambda: None)
    with pytest.raises(ConfigError, match="seconds must be a positive number of seconds, got 0"):
        client.every(0)(lambda: None)


# -- on a dispatcher, and measured ---------------------------------------------------------------------------------


@both_kinds
def test_the_functions_of_a_dispatcher_run_with_the_client_that_uses_it(
    make_client: MakeClient, fake: FakeServer, is_async: bool
) -> None:
    """So that a module can have handlers, jobs and what they need, without a global client."""
    notes: list[str] = []
    dispatcher = Dispatcher()
    note = partial(noting, notes, is_async=is_async)
    for add, what in ((dispatcher.on_start, "start"), (dispatcher.on_stop, "stop")):
        function = note(what)
        assert add(function) is function
    dispatcher.every(3600, at_once=True)(note("job"))
    taken_out = dispatcher.every(3600, at_once=True)(note("never"))
    assert dispatcher.remove_job(taken_out)
    ready: list[Ready] = []
    dispatcher.on_ready(ready.append)
    client = make_client(dispatcher=dispatcher)
    client.connect()
    eventually(lambda: ready and "job" in notes)
    late: list[str] = []
    dispatcher.every(3600, at_once=True)(noting(late, "late", is_async=is_async))
    eventually(lambda: late)
    client.close()
    assert notes == ["start", "job", "stop"]


def test_what_a_function_of_a_dispatcher_raises_is_reported_by_the_client(
    make_client: MakeClient, fake: FakeServer
) -> None:
    dispatcher = Dispatcher()
    errors: list[BaseException] = []

    @dispatcher.on_stop
    def fail() -> None:
        raise ValueError("at the end")

    @dispatcher.on_ready
    def fail_too(ready: Ready) -> None:
        raise ValueError("at the hello")

    client = make_client(dispatcher=dispatcher)
    client.add_error_handler(lambda error, event: errors.append(error))
    client.connect()
    eventually(lambda: [str(each) for each in errors] == ["at the hello"])
    client.close()
    assert [str(each) for each in errors] == ["at the hello", "at the end"]


class NotedRuns(Metrics):
    def __init__(self) -> None:
        self.runs: list[Run] = []

    def handler_ran(self, run: Run) -> None:
        self.runs.append(run)


@both_kinds
@pytest.mark.parametrize("when", ["before the client", "after the client", "after the hello"])
def test_each_run_of_a_job_is_measured(make_client: MakeClient, fake: FakeServer, is_async: bool, when: str) -> None:
    metrics, dispatcher = NotedRuns(), Dispatcher()

    async def job_async() -> None:
        raise ValueError("no")

    def job() -> None:
        raise ValueError("no")

    function: Any = job_async if is_async else job
    if when == "before the client":
        dispatcher.every(0.001)(function)
    client = make_client(dispatcher=dispatcher, metrics=metrics)
    if when == "after the client":
        client.every(0.001)(function)
    client.connect()
    if when == "after the hello":
        client.every(0.001)(function)
    eventually(lambda: len(metrics.runs) > 2)
    for run in metrics.runs[:3]:
        assert run.handler == function.__qualname__
        assert run.item is None
        assert str(run.error) == "no"
        assert run.lag >= 0.0
        assert run.seconds >= 0.0


def test_a_ready_handler_of_a_dispatcher_is_measured(make_client: MakeClient, fake: FakeServer) -> None:
    metrics, dispatcher = NotedRuns(), Dispatcher()
    dispatcher.on_ready(lambda ready: None)
    client = make_client(dispatcher=dispatcher, metrics=metrics)
    client.connect()
    eventually(lambda: [type(run.item) for run in metrics.runs] == [Ready])


# -- the log ------------------------------------------------------------------------------------------------------


async def test_the_log_tells_of_connections(
    make: MakeAsync, fake: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tautwire.client")
    fake.answers.extend([{"resume": "new", "position": 1}, {"resume": "resumed", "position": 1}, {"resume": "resync"}])
    client = make()
    got: list[Ready] = []

    @client.on_ready
    async def note(ready: Ready) -> None:
        got.append(ready)

    def lines() -> list[str]:
        return [each.message for each in caplog.records]

    with contextlib.suppress(asyncio.CancelledError):
        await client.connect()
        (await peer(fake)).drop()
        await until(lambda: len(got) == 2)
        (await peer(fake)).drop()
        await until(lambda: len(got) == 3)
    user, team = client.identity.user, client.identity.team
    who = f"{user.name} ({user.id}) to {team.domain} ({team.id})"
    assert f"connected as {who} at {fake.api_url}" in lines()
    assert "connection lost: the server dropped the connection without a Close frame" in lines()
    back = [each for each in lines() if each.startswith(f"reconnected as {who} after ")]
    assert [each.partition(" s: ")[2] for each in back] == [
        "resumed, nothing is missing",
        "not resumed, events may be missing",
    ]


def test_a_name_of_the_server_cannot_forge_a_line(
    client: Any, fake: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tautwire.client")
    fake.answers.append({"self": {"id": "U1", "name": "bot\n" + "x" * 1000}})
    client.connect()
    (line,) = [each.message for each in caplog.records if each.message.startswith("connected")]
    assert "\n" not in line
    assert len(line) < 300
