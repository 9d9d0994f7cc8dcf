"""run() and the signals that end it, in processes of their own."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from drive import eventually
from fake import PATIENCE, TOKEN, FakeServer, message
from tautwire.client.signals import stopping

BOT = """
import asyncio, logging, sys, time
from tautwire import BlockingRTMClient, MessageEvent, RTMClient

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
client = (BlockingRTMClient if sys.argv[1] == "blocking" else RTMClient)()

def say(text):
    sys.stdout.write(text + "\\n")  # in one piece, from whatever thread
    sys.stdout.flush()

@client.on_ready
def ready(ready):
    say("ready")

def main(**options):
    if sys.argv[1] == "blocking":
        return client.run(**options)
    if sys.argv[1] == "uvloop":
        import uvloop
        return uvloop.run(client.run(**options))
    return asyncio.run(client.run(**options))
"""

RUN = """
came = main()
say(f"came {came and came.name}")
"""

kinds = pytest.mark.parametrize("kind", ["asyncio", "uvloop", "blocking"])
numbers = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


class Bot:
    """A program of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.send = process.send_signal

    def expect(self, line: str) -> None:
        """Wait for a line of its output."""
        assert self.process.stdout is not None
        for each in self.process.stdout:
            if each == f"{line}\n":
                return
        raise AssertionError(f"{line!r} did not come: {self.process.stderr and self.process.stderr.read()}")

    def end(self) -> tuple[int, str, str]:
        """Wait for its end."""
        assert self.process.stdout is not None
        out = self.process.stdout.read()  # ``communicate`` does not see what ``expect`` has read ahead
        _, err = self.process.communicate(timeout=2 * PATIENCE)
        return self.process.returncode, out, err


@contextmanager
def running(fake: FakeServer, kind: str, *programs: str) -> Iterator[Bot]:
    code = BOT + "\n".join(textwrap.dedent(each) for each in programs)
    process = subprocess.Popen(
        [sys.executable, "-c", code, kind],
        env=os.environ | {"SLACK_BOT_TOKEN": TOKEN, "SLACK_API_URL": fake.api_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Bot(process)
        finally:
            process.kill()


@kinds
@numbers
def test_a_signal_ends_run_quietly(fake: FakeServer, kind: str, number: signal.Signals) -> None:
    with running(fake, kind, RUN) as bot:
        bot.expect("ready")
        bot.send(number)
        status, out, err = bot.end()
    assert status == 0
    assert out == f"came {number.name}\n"
    assert fake.peer().closed.wait(PATIENCE)
    lines = err.splitlines()
    assert "Traceback" not in err
    assert [each for each in lines if number.name in each] == [
        f"INFO {number.name}: closing, within about 2 s; a second signal ends the program at once"
    ]


@kinds
def test_a_signal_before_there_is_a_connection_ends_run(fake: FakeServer, kind: str) -> None:
    fake.answers.extend([(500, {}, "")] * 100)
    on_failure = """
        @client.add_error_handler
        def failed(error, event):
            say("failed")
    """
    with running(fake, kind, on_failure, RUN) as bot:
        bot.expect("failed")
        bot.send(signal.SIGTERM)
        assert bot.end()[:2] == (0, "came SIGTERM\n")


@kinds
def test_a_signal_during_the_start_ends_run(fake: FakeServer, kind: str) -> None:
    start = """
        @client.on_start
        async def start():
            say("starting")
            await asyncio.sleep(3600)
    """
    with running(fake, kind, start, RUN) as bot:
        bot.expect("starting")
        bot.send(signal.SIGINT)
        status, out, err = bot.end()
    assert (status, out) == (0, "came SIGINT\n")
    assert "Traceback" not in err
    assert fake.connects == []


@kinds
@pytest.mark.parametrize("head", ["async def", "def"])
def test_handlers_finish_and_stop_handlers_run(fake: FakeServer, kind: str, head: str) -> None:
    fake.greeting.append(message(1))
    pause = "await asyncio.sleep(0.3)" if head == "async def" else "time.sleep(0.3)"
    handlers = f"""
        @client.on(MessageEvent)
        {head} work(event):
            say("busy")
            {pause}
            say("finished")

        @client.on_stop
        {head} stop():
            say("stopped")
    """
    with running(fake, kind, handlers, RUN) as bot:
        bot.expect("busy")
        bot.send(signal.SIGTERM)
        status, out, _ = bot.end()
    assert status == 0
    lines = [each for each in out.splitlines() if each != "ready"]
    assert sorted(lines[:2]) == ["finished", "stopped"]
    assert lines[2:] == ["came SIGTERM"]


@kinds
@numbers
def test_a_second_signal_ends_the_program_at_once(fake: FakeServer, kind: str, number: signal.Signals) -> None:
    stop = """
        @client.on_stop
        async def stop():
            say("stopping")
            await asyncio.sleep(3600)

        main(grace=3600)
    """
    with running(fake, kind, stop) as bot:
        bot.expect("ready")
        bot.send(number)
        bot.expect("stopping")
        bot.send(number)
        status, _, err = bot.end()
    assert status == -number
    assert ("KeyboardInterrupt" in err) is (number == signal.SIGINT)


def test_a_second_ctrl_c_ends_the_program_though_a_handler_blocks_the_loop(fake: FakeServer) -> None:
    fake.greeting.append(message(1))
    block = """
        def block(event):
            say("busy")
            while True:
                time.sleep(3600)

        client.register(block, MessageEvent, inline=True)
        import signal, threading
        def tell():
            while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
                time.sleep(0.001)
            say("first")
        @client.on_start
        def start():
            threading.Thread(target=tell, daemon=True).start()
        main()
    """
    with running(fake, "asyncio", block) as bot:
        bot.expect("busy")
        bot.send(signal.SIGINT)
        bot.expect("first")
        bot.send(signal.SIGINT)
        status, _, err = bot.end()
    assert status == -signal.SIGINT
    assert "KeyboardInterrupt" in err


@pytest.mark.parametrize("head", ["async def", "def"])
def test_a_blocking_client_ends_at_a_signal_though_a_handler_blocks_its_loop(fake: FakeServer, head: str) -> None:
    block = f"""
        {head} block(event):
            say("busy")
            while True:
                time.sleep(3600)

        client.register(block, MessageEvent, inline={head == "def"})
    """
    with running(fake, "blocking", block, RUN) as bot:
        bot.expect("ready")
        fake.peer().send(message(1))
        bot.expect("busy")
        bot.send(signal.SIGINT)
        status, out, err = bot.end()
    assert (status, out) == (0, "came SIGINT\n")
    assert err.count("left behind") == 1
    assert "Traceback" not in err


@kinds
@numbers
def test_signals_are_the_programs_if_it_says_so(fake: FakeServer, kind: str, number: signal.Signals) -> None:
    with running(fake, kind, "main(handle_signals=False)") as bot:
        bot.expect("ready")
        bot.send(number)
        status, _, err = bot.end()
    assert status == -number
    assert "closing, within" not in err


@kinds
def test_a_handler_of_the_program_stays(fake: FakeServer, kind: str) -> None:
    program = """
        import signal, threading
        def mine(number, frame):
            say("mine")
            threading.Thread(target=close).start()
        def close():
            loop.call_soon_threadsafe(lambda: asyncio.ensure_future(client.close())) if loop else client.close()
        loop = None
        @client.on_start
        async def start():
            global loop
            if sys.argv[1] != "blocking":
                loop = asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, mine)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say(f"came {main()}")
        say(str(signal.getsignal(signal.SIGTERM) is mine))
    """
    with running(fake, kind, program) as bot:
        bot.expect("ready")
        bot.send(signal.SIGINT)
        bot.send(signal.SIGTERM)
        bot.expect("mine")
        assert bot.end()[:2] == (0, "came None\nTrue\n")


def test_one_signal_ends_all_clients_of_a_program(fake: FakeServer) -> None:
    program = """
        other = RTMClient()

        async def both():
            say(str([each.name for each in await asyncio.gather(client.run(), other.run())]))

        @other.on_ready
        def other_ready(_):
            say("other")

        import signal
        asyncio.run(both())
        say(str(signal.getsignal(signal.SIGINT) is signal.default_int_handler))
        say(str(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL))
    """
    with running(fake, "asyncio", program) as bot:
        bot.expect("other")
        eventually(lambda: len(fake.connects) == 2)
        bot.send(signal.SIGTERM)
        status, out, _ = bot.end()
    assert status == 0
    assert out.splitlines()[-3:] == ["['SIGTERM', 'SIGTERM']", "True", "True"]


def test_in_a_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []

    def enter() -> None:
        with stopping(seen.append):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_handler_that_was_set_meanwhile_stays() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[Any] = []
    try:
        with stopping(seen.append):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == []
