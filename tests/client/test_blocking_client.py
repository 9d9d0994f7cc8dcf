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
from typing import Any

import pytest

from drive import QUICK, eventually
from fake import PATIENCE, TOKEN, FakeServer, answer_all, message
from tautwire import BlockingRTMClient, ClientClosed, MessageEvent


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


def test_it_installs_no_signal_handlers(client: BlockingRTMClient) -> None:
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
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert time.monotonic() - began < 4.0
    assert "KeyboardInterrupt" in errors
    assert process.returncode != 0


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
