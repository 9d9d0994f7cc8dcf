"""What only the blocking client has to get right: threads, other people's loops, and Ctrl-C."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from drive import QUICK, eventually
from fake import PATIENCE, TOKEN, FakeServer, answer_all, message
from tautwire import BlockingRTMClient, ClientClosed, ClientState, MessageEvent


@pytest.fixture
def client(fake: FakeServer) -> Iterator[BlockingRTMClient]:
    fake.reply = answer_all
    with BlockingRTMClient(TOKEN, fake.api_url, backoff=QUICK, message_rate=None) as client:
        yield client


async def test_it_works_beside_a_running_loop(client: BlockingRTMClient) -> None:
    assert client.say("C1", "in a coroutine").text == "in a coroutine"


def test_it_works_from_many_threads_at_once(client: BlockingRTMClient) -> None:
    acks: list[Any] = []
    threads = [
        threading.Thread(target=lambda i=i: acks.extend(client.say("C1", f"{i} {j}") for j in range(20)))  # type: ignore[misc]
        for i in range(5)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len({each.reply_to for each in acks}) == 100
    assert {each.text for each in acks} == {f"{i} {j}" for i in range(5) for j in range(20)}


def test_a_handler_may_send_reconnect_and_close(fake: FakeServer, client: BlockingRTMClient) -> None:
    steps: list[object] = []

    def handler(event: MessageEvent) -> None:
        steps.append(client.say("C1", "x").text)
        client.reconnect()
        client.close()
        steps.append("closed")

    client.register(handler)
    began = time.monotonic()
    fake.peer().send(message(1))
    client.run()
    eventually(lambda: steps == ["x", "closed"])
    assert time.monotonic() - began < 4.0


@pytest.mark.parametrize("kind", ["inline", "async"])
def test_what_runs_on_the_loop_is_told_that_it_cannot_wait_for_the_loop(
    fake: FakeServer, client: BlockingRTMClient, kind: str
) -> None:
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))

    def inline(_: MessageEvent) -> None:
        client.say("C1", "x")

    async def coroutine(_: MessageEvent) -> None:
        client.say("C1", "x")

    client.register(coroutine if kind == "async" else inline, inline=kind == "inline")
    fake.peer().send(message(1))
    eventually(lambda: [type(each) for each in errors] == [RuntimeError])


@pytest.mark.parametrize("verb", ["close", "run", "__enter__"])
@pytest.mark.parametrize("kind", ["inline", "async"])
def test_what_runs_on_the_loop_cannot_end_it_and_changes_nothing_by_trying(
    fake: FakeServer, client: BlockingRTMClient, kind: str, verb: str
) -> None:
    errors: list[BaseException] = []
    client.add_error_handler(lambda error, event: errors.append(error))

    def inline(_: MessageEvent) -> None:
        getattr(client, verb)()

    async def coroutine(_: MessageEvent) -> None:
        getattr(client, verb)()

    client.register(coroutine if kind == "async" else inline, inline=kind == "inline")
    peer = fake.peer()
    peer.send(message(1))
    eventually(lambda: errors)
    assert [type(each) for each in errors] == [RuntimeError]
    assert "plain handler" in str(errors[0])
    assert client.state is ClientState.READY
    assert client.say("C1", "still here").text == "still here"
    client.close()
    assert peer.closed.wait(PATIENCE)


def test_an_inline_handler_may_end_the_client_from_a_thread(fake: FakeServer, client: BlockingRTMClient) -> None:
    def stop(_: MessageEvent) -> None:
        threading.Thread(target=client.close).start()

    client.register(stop, inline=True)
    peer = fake.peer()
    peer.send(message(1))
    assert peer.closed.wait(PATIENCE)
    eventually(lambda: client.state is ClientState.CLOSED)
    eventually(lambda: not [each for each in threading.enumerate() if each.name == "tautwire-client"])


def test_coroutine_handlers_run_too(fake: FakeServer, client: BlockingRTMClient) -> None:
    got: list[str] = []

    @client.on(MessageEvent)
    async def handler(event: MessageEvent) -> None:
        await asyncio.sleep(0)
        got.append(event.text)

    fake.peer().send(message(1), message(2))
    eventually(lambda: got == ["1", "2"])


def test_waiting_calls_end_when_the_client_is_closed(fake: FakeServer, client: BlockingRTMClient) -> None:
    outcomes: list[BaseException] = []

    def run() -> None:
        try:
            client.run()
            outcomes.append(SystemExit())
        except BaseException as error:
            outcomes.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    client.close()
    thread.join(PATIENCE)
    assert [type(each) for each in outcomes] in ([SystemExit], [ClientClosed])


def test_a_web_api_call_has_time_also_with_a_timeout_below_a_second(fake: FakeServer) -> None:
    with BlockingRTMClient(TOKEN, fake.api_url, connect_timeout=0.9) as client:
        assert client.web.api_call("rtm.connect")["ok"]


def test_a_second_close_waits_for_the_first_but_no_longer_than_told(
    fake: FakeServer, client: BlockingRTMClient, caplog: pytest.LogCaptureFixture
) -> None:
    begun, go_on, finished = threading.Event(), threading.Event(), threading.Event()

    async def slow(_: MessageEvent) -> None:
        begun.set()
        while not go_on.is_set():  # noqa: ASYNC110 (set by another thread)
            await asyncio.sleep(0.01)
        finished.set()

    client.register(slow)
    peer = fake.peer()
    peer.send(message(1))
    assert begun.wait(PATIENCE)
    with ThreadPoolExecutor() as pool:
        closes = [pool.submit(client.close, grace=3 * PATIENCE) for _ in range(2)]
        assert peer.closed.wait(PATIENCE)  # they are at it
        client.close(grace=0.0)
        assert not any(each.done() for each in closes)
        go_on.set()
        for each in closes:
            each.result(PATIENCE)
    assert finished.is_set()
    assert "left behind" not in caplog.text


@pytest.mark.parametrize("kind", ["inline", "async"])
def test_a_handler_that_blocks_the_loop_is_left_behind(
    fake: FakeServer, client: BlockingRTMClient, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def inline(_: MessageEvent) -> None:
        begun.set()
        go_on.wait()

    async def coroutine(_: MessageEvent) -> None:
        begun.set()
        go_on.wait()  # what a coroutine must not do

    client.register(coroutine if kind == "async" else inline, inline=kind == "inline")
    peer = fake.peer()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(client.run)
        peer.send(message(1))
        assert begun.wait(PATIENCE)
        waiting = pool.submit(client.say, "C1", "x")
        try:
            pool.submit(client.close, grace=0.0).result(PATIENCE)
            assert [each.levelname for each in caplog.records if "left behind" in each.message] == ["WARNING"]
            assert client.state is ClientState.CLOSED
            running.result(PATIENCE)
            with pytest.raises(ClientClosed):
                waiting.result(PATIENCE)
            client.close()
        finally:
            go_on.set()
    assert peer.closed.wait(PATIENCE), "the loop did not end when it could"


@pytest.mark.parametrize("how", ["stopped", "exit"])
def test_a_loop_that_a_handler_ends_is_a_closed_client(
    fake: FakeServer, client: BlockingRTMClient, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    def end(_: MessageEvent) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.stop if how == "stopped" else sys.exit)

    client.register(end, inline=True)
    peer = fake.peer()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(client.run)
        waiting = pool.submit(client.send, {"type": "message", "channel": "C1", "text": "x", "id": 99})
        waiting.result(PATIENCE)
        peer.send(message(1))
        with pytest.raises(ClientClosed) as told:
            running.result(PATIENCE)
    assert isinstance(told.value.__cause__, RuntimeError if how == "stopped" else SystemExit)
    assert any(each.levelname == "ERROR" for each in caplog.records)
    assert peer.closed.wait(PATIENCE)
    assert (client.state, client.is_connected) == (ClientState.CLOSED, False)
    for verb in (client.connect, client.reconnect, client.run, client.ping):
        with pytest.raises(ClientClosed) as later:
            verb()
        assert later.value.__cause__ is told.value.__cause__
    client.disconnect()
    client.close()


def test_it_installs_no_signal_handlers_before_it_runs(client: BlockingRTMClient) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


PROGRAMS = {
    "blocking": """
        from tautwire import BlockingRTMClient, MessageEvent
        client = BlockingRTMClient()
        @client.on(MessageEvent)
        def busy(event):
            print("busy", flush=True)
            import time
            time.sleep(60)
        client.run()
    """,
    "asyncio": """
        import asyncio
        from tautwire import MessageEvent, RTMClient
        client = RTMClient()
        @client.on(MessageEvent)
        def busy(event):
            print("busy", flush=True)
            import time
            time.sleep(60)
        asyncio.run(client.run())
    """,
    "never closed": """
        from tautwire import BlockingRTMClient
        client = BlockingRTMClient()
        client.connect()
        print("busy", flush=True)
        import time
        time.sleep(60)
    """,
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_ctrl_c_ends_a_program_promptly_though_a_handler_is_busy(fake: FakeServer, program: str) -> None:
    fake.greeting.append(message(1))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAMS[program])],
        env=os.environ | {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": fake.api_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)  # the handler would take a minute
    if program == "never closed":  # run() is not there to handle the signal
        assert "KeyboardInterrupt" in errors
        assert process.returncode == -signal.SIGINT
    else:
        assert "Traceback" not in errors
        assert process.returncode == 0


@pytest.mark.parametrize("head", ["async def", "def"])
def test_ctrl_c_ends_a_program_though_a_handler_blocks_the_loop_for_ever(fake: FakeServer, head: str) -> None:
    program = f"""
        import time
        from tautwire import BlockingRTMClient, MessageEvent
        {head} busy(event):
            print("busy", flush=True)
            while True:
                time.sleep(1)
        client = BlockingRTMClient()
        client.register(busy, MessageEvent, inline={head == "def"})
        with client:
            client.run()
    """
    fake.greeting.append(message(1))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=os.environ | {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": fake.api_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        peer = fake.peer()
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert "KeyboardInterrupt" in errors  # it came before run(), in connect()
    assert errors.count("left behind") == 1
    assert peer.closed.wait(PATIENCE)


FORK = """
import os, sys
from tautwire import BlockingRTMClient

unused = BlockingRTMClient()
client = BlockingRTMClient()
client.connect()
child = os.fork()
if child == 0:
    for verb in (lambda: client.say("C1", "x"), client.ping, client.connect, client.disconnect, client.run):
        try:
            verb()
        except RuntimeError as error:
            assert "fork" in str(error), error
        else:
            sys.exit("it went through")
    assert client.state.value == "closed" and not client.is_connected
    client.close()
    with unused:
        print(unused.say("C1", "child").text, flush=True)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
print(client.say("C1", "parent").text)
client.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_is_told_to_make_a_client_of_its_own_and_does_its_parent_no_harm(fake: FakeServer) -> None:
    fake.reply = answer_all
    finished = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        env=os.environ | {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": fake.api_url},
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert (finished.stdout, finished.stderr, finished.returncode) == ("child\nparent\n", "", 0)


def test_a_program_that_forgets_to_close_ends_all_the_same(fake: FakeServer) -> None:
    program = "from tautwire import BlockingRTMClient\nBlockingRTMClient().connect()\n"
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": fake.api_url},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize("place", ["two handlers", "two conversations of one"])
def test_plain_handlers_that_close_the_client_together_do_not_wait_for_each_other(fake: FakeServer, place: str) -> None:
    client = BlockingRTMClient(TOKEN, fake.api_url)
    together = threading.Barrier(2, timeout=PATIENCE)
    ended: list[str] = []

    def first(event: MessageEvent) -> None:
        together.wait()
        client.close(grace=600.0)
        ended.append(event.channel)

    def second(event: MessageEvent) -> None:
        together.wait()
        client.close(grace=600.0)
        ended.append("second")

    client.register(first)
    if place == "two handlers":
        client.register(second)
    client.connect()
    messages = [message(1)] if place == "two handlers" else [message(1), message(2, channel="C2")]
    fake.peer().send(*messages)
    eventually(lambda: len(ended) == 2, "the handlers wait for each other")
    assert client.state is ClientState.CLOSED
