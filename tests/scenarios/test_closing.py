"""The end, in every state and from everywhere: it comes soon, it is final, it leaves nothing. And Ctrl-C."""

import concurrent.futures
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from subject import PATIENCE, Kind, MakeSubject, Subject, Talk, aside, eventually, stays
from tautwire import Backoff, ClientClosed, MessageEvent, NotConnected, Rate
from tautwire.client.notices import ClientState
from tautwire.client.rtm_client import GRACE
from tautwire.testing import FOREVER, BlockingWorkspace, Faults


def idle(subject: Subject, _faults: Faults) -> None:
    """Nothing was done yet."""


def asking(subject: Subject, faults: Faults) -> None:
    faults.delay(2.0, "rtm.connect")
    subject.start()
    eventually(lambda: subject.connects == 1)


def dialling(subject: Subject, faults: Faults) -> None:
    faults.upgrade("hang")
    subject.start()
    eventually(lambda: len(faults.upgrades) == 1)


def greeting(subject: Subject, faults: Faults) -> None:
    faults.upgrade("no_hello")
    subject.start()
    eventually(lambda: len(faults.links) == 1)


def ready(subject: Subject, _faults: Faults) -> None:
    subject.start()
    subject.wait_ready()


def silenced(subject: Subject, faults: Faults) -> None:
    ready(subject, faults)
    subject.link.silence()


def replacing(subject: Subject, faults: Faults) -> None:
    ready(subject, faults)
    faults.delay(2.0, "rtm.connect")
    subject.link.goodbye()
    eventually(lambda: subject.connects == 2)


def waiting(subject: Subject, faults: Faults) -> None:
    faults.refuse_connections()
    subject.start()
    eventually(lambda: len(subject.errors) >= 3)


def resting(subject: Subject, faults: Faults) -> None:
    faults.rate_limit("rtm.connect", retry_after=30)
    subject.start()
    eventually(lambda: subject.state is ClientState.WAITING)


def failed(subject: Subject, faults: Faults) -> None:
    faults.error("rtm.connect", "invalid_auth", times=FOREVER)
    running = subject.start()
    concurrent.futures.wait([running], PATIENCE)


def disconnected(subject: Subject, _faults: Faults) -> None:
    subject.connect()
    subject.disconnect()


def closed(subject: Subject, _faults: Faults) -> None:
    subject.connect()
    subject.close()


STATES: list[Callable[[Subject, Faults], None]] = [
    idle, asking, dialling, greeting, ready, silenced, replacing, waiting, resting, failed, disconnected, closed,
]  # fmt: skip


@pytest.mark.parametrize("reach", STATES, ids=lambda each: each.__name__)
def test_close_is_prompt_and_final_in_every_state(
    reach: Callable[[Subject, Faults], None], subject: Subject, faults: Faults
) -> None:
    reach(subject, faults)
    began = time.monotonic()
    subject.close()
    took = time.monotonic() - began
    calls = subject.connects

    assert took < 1.5 + 1.0  # a second for the other side's Close, and this machine is shared
    end = ClientState.FAILED if reach is failed else ClientState.CLOSED  # why a client failed stays to be seen
    assert subject.state is end
    assert not subject.is_connected
    for verb in ("connect", "reconnect", "run"):
        with pytest.raises(ClientClosed):
            getattr(subject, verb)()
    with pytest.raises(ClientClosed):
        subject.say("C1", "anybody?")
    subject.close()
    stays(lambda: subject.connects == calls and subject.state is end, "it is not closed", 0.2)


def test_close_says_so_with_a_close_frame(subject: Subject, faults: Faults) -> None:
    subject.connect()
    link = subject.link
    began = time.monotonic()
    subject.close()

    assert time.monotonic() - began < 0.9, "it did not hear the server's Close"
    assert link.close_code == 1000
    eventually(lambda: faults.links == [], "the connection is still there")  # the front hears of the end a moment later


def test_run_returns_when_another_thread_closes(subject: Subject, talk: Talk) -> None:
    running = subject.start()
    subject.wait_ready()
    with talk:
        talk.go_on()
        aside(subject.close).result(PATIENCE)
    running.result(PATIENCE)

    assert subject.heard == talk.said[: len(subject.heard)]


def test_those_who_wait_for_a_connection_are_told(subject: Subject, faults: Faults) -> None:
    faults.delay(1.0, "rtm.connect")
    waiting_ = [aside(subject.connect) for _ in range(5)]
    eventually(lambda: subject.connects == 1)
    subject.close()

    for each in waiting_:
        with pytest.raises(ClientClosed):
            each.result(PATIENCE)


def test_many_close_at_once(subject: Subject) -> None:
    subject.connect()
    for each in [aside(subject.close) for _ in range(8)]:
        each.result(PATIENCE)

    assert subject.state is ClientState.CLOSED


def test_a_handler_may_close(subject: Subject, blocking_workspace: BlockingWorkspace) -> None:
    done = threading.Event()

    async def leave_async(_event: MessageEvent) -> None:
        await subject.client.close()
        done.set()

    def leave(_event: MessageEvent) -> None:
        subject.client.close()
        done.set()

    subject.register(leave if subject.kind == "blocking" else leave_async, MessageEvent)
    running = subject.start()
    subject.wait_ready()
    began = time.monotonic()
    blocking_workspace.person("alice").say("general", "go")

    running.result(PATIENCE)
    assert done.wait(PATIENCE), "the handler was not let finish"
    assert time.monotonic() - began < 3.5


def test_close_gives_handlers_their_time(subject: Subject, blocking_workspace: BlockingWorkspace) -> None:
    finished: list[str] = []
    begun = threading.Event()

    def work(event: MessageEvent) -> None:
        begun.set()
        time.sleep(0.2)
        finished.append(event.text)

    subject.register(work, MessageEvent)
    subject.connect()
    for text in ("one", "two", "three"):
        blocking_workspace.person("alice").say("general", text)
    assert begun.wait(PATIENCE)
    eventually(lambda: "three" in subject.heard)
    subject.close()

    assert finished == ["one", "two", "three"]


def test_but_not_more_than_that(subject: Subject, blocking_workspace: BlockingWorkspace) -> None:
    release, begun = threading.Event(), threading.Event()

    def work(_event: MessageEvent) -> None:
        begun.set()
        release.wait(PATIENCE)

    subject.register(work, MessageEvent)
    subject.connect()
    blocking_workspace.person("alice").say("general", "go")
    assert begun.wait(PATIENCE)
    began = time.monotonic()
    subject.close(grace=0.3)
    took = time.monotonic() - began
    release.set()

    assert took < 0.3 + 2.0


def test_disconnect_and_connect_again_and_again(subject: Subject, faults: Faults, talk: Talk) -> None:
    """Whoever disconnects on purpose goes on from where they were, with our server."""
    subject.connect()
    with talk:
        for _ in range(5):
            talk.go_on()
            subject.disconnect()
            assert subject.state is ClientState.IDLE
            with pytest.raises(NotConnected):
                subject.say("C1", "anybody?")
            subject.connect()

    talk.was_heard_by(subject)
    assert subject.connects == 6


def test_closing_in_a_storm(make_subject: MakeSubject, faults: Faults, talk: Talk) -> None:
    """Clients are closed at odd moments while connections come and go; one that stays hears everything."""
    hurried = Backoff(base=0.001, cap=0.002, budget=Rate(per_second=1_000.0, burst=1_000))  # one budget for all
    witness = make_subject(backoff=hurried).connect()
    with talk:
        for number in range(20):
            subject = make_subject(backoff=hurried)
            subject.start()
            if number % 2:
                faults.upgrade(("drop", "refuse", "expired")[number % 3])
            stays(lambda: True, "", number * 0.002)
            for link in faults.links:
                link.rst()
            subject.end()
            assert subject.state is ClientState.CLOSED
    talk.was_heard_by(witness)
    eventually(lambda: len(faults.links) == 1, f"left open: {faults.links}")


PROGRAM = """
import os, signal, sys, threading, time
from tautwire import BlockingRTMClient, MessageEvent, RTMClient
import asyncio
kind, busy, token, base_url = sys.argv[1:]
client = (RTMClient if kind == "asyncio" else BlockingRTMClient)(token, base_url)

def tell(line):
    os.write(1, line + b"\\n")  # in one piece: print() from two threads may mix lines

def work(event):
    tell(b"busy")
    time.sleep(60)

async def work_async(event):
    tell(b"busy")
    await asyncio.sleep(60)

def interrupt(event):
    while client.state.value != "ready":
        time.sleep(0.01)
    time.sleep(0.1)  # the main thread waits by now, and the signal does not end its wait: it goes to this thread
    tell(b"busy")
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

if busy == "plain":
    client.register(work, MessageEvent)
if busy == "coroutine":
    client.register(work_async, MessageEvent)
if busy == "elsewhere":
    client.register(interrupt, MessageEvent)
client.add_message_handler(lambda text: tell(b"heard"))
number = asyncio.run(client.run()) if kind == "asyncio" else client.run()
print(number.name, client.state.value, flush=True)
"""


@pytest.mark.parametrize("busy", ["idle", "plain", "coroutine", "elsewhere"])
def test_ctrl_c_ends_run_in_time(kind: Kind, busy: str, blocking_workspace: BlockingWorkspace, tmp_path: Path) -> None:
    program = tmp_path / "bot.py"
    program.write_text(PROGRAM)
    bot = blocking_workspace.person("bot")
    command: list[Any] = [sys.executable, program, kind, busy, bot.token, blocking_workspace.api_url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "heard\n"
        if busy != "idle":
            blocking_workspace.person("alice").say("general", "go")
            while process.stdout.readline() != "busy\n":
                assert process.poll() is None
        began = time.monotonic()
        if busy != "elsewhere":
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        took = time.monotonic() - began
    finally:
        process.kill()  # or whatever goes wrong above would wait for it for ever
        process.wait()

    assert out.endswith("SIGINT closed\n")
    assert "Traceback" not in err
    assert process.returncode == 0
    assert took < (GRACE + 2.5 if busy in ("plain", "coroutine") else 2.5)  # these take a minute, and get the grace
