"""Handlers that fail, block or dawdle: the connection lives on, the others hear everything, order is kept."""

import asyncio
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient

from subject import PATIENCE, MakeSubject, Subject, Talk, eventually
from tautwire import MessageEvent, Timeouts
from tautwire.testing import BlockingWorkspace, Link

CHANNELS = ["general", "ops", "dev", "random", "lunch"]


def test_a_handler_that_raises_harms_nobody(subject: Subject, talk: Talk) -> None:
    told: list[tuple[BaseException, Any]] = []

    def fail(event: MessageEvent) -> None:
        raise RuntimeError(event.text)

    subject.register(subject.handler(fail), MessageEvent)
    subject.register(fail, MessageEvent, inline=True)
    subject.add_error_handler(lambda error, event: told.append((error, event)))
    subject.connect()
    with talk:
        talk.go_on()

    talk.was_heard_by(subject)
    eventually(lambda: len(told) == 2 * len(talk.said), "an error was not told")
    assert all(isinstance(error, RuntimeError) and event.text == str(error) for error, event in told)
    assert subject.connects == 1


@pytest.mark.parametrize("end", [None, Link.fin, Link.goodbye], ids=["nothing else", "a drop", "a goodbye"])
def test_a_handler_that_blocks_does_not_silence_the_connection(
    end: Callable[[Link], None] | None, make_subject: MakeSubject, talk: Talk
) -> None:
    """A plain handler, which blocks its thread for several silence limits; also for the asyncio client."""
    subject = make_subject(timeouts=Timeouts(idle=0.1, silence=0.5))
    release, blocked = threading.Event(), threading.Event()

    def block(_event: MessageEvent) -> None:
        blocked.set()
        release.wait(PATIENCE)

    subject.register(block, MessageEvent)
    subject.connect()
    link = subject.link
    try:
        with talk:
            assert blocked.wait(PATIENCE)
            if end is not None:
                end(link)
                subject.wait_opened(2)
        talk.was_heard_by(subject)
        seen = subject.link
        pings = len(seen.sent)
        eventually(lambda: len(seen.sent) >= pings + 15, "no pings any more")
        assert subject.ping() < 0.5
        assert subject.connects == (1 if end is None else 2)
    finally:
        release.set()


def test_a_coroutine_that_waits_does_not_silence_the_connection(make_subject: MakeSubject, talk: Talk) -> None:
    """Coroutine functions are for both clients."""
    subject = make_subject(timeouts=Timeouts(idle=0.1, silence=0.5))

    async def dawdle(_event: MessageEvent) -> None:
        await asyncio.sleep(3600)

    subject.register(dawdle, MessageEvent)
    subject.connect()
    with talk:
        talk.go_on()
    talk.was_heard_by(subject)
    eventually(lambda: len(subject.link.sent) >= 15, "no pings")

    assert subject.connects == 1
    subject.close(grace=0.0)


@pytest.mark.workspace(channels=CHANNELS)
@pytest.mark.parametrize("end", [None, Link.fin, Link.rst, Link.goodbye], ids=["nothing", "FIN", "RST", "goodbye"])
def test_order_is_kept_in_each_conversation(
    end: Callable[[Link], None] | None, subject: Subject, blocking_workspace: BlockingWorkspace
) -> None:
    """Many conversations at once, handlers that take as long as they like, and a change of connections between."""
    heard: dict[str, list[int]] = defaultdict(list)
    busy: list[int] = [0]
    busiest: list[int] = [0]
    lock = threading.Lock()
    chance = random.Random(3)

    def begin() -> float:
        with lock:
            busy[0] += 1
            busiest[0] = max(busiest[0], busy[0])
        return chance.random() * 0.005

    def finish(event: MessageEvent) -> None:
        with lock:
            busy[0] -= 1
            heard[event.channel].append(int(event.text))

    def plain(event: MessageEvent) -> None:
        time.sleep(begin())
        finish(event)

    async def coroutine(event: MessageEvent) -> None:
        await asyncio.sleep(begin())
        finish(event)

    subject.register(plain if subject.kind == "blocking" else coroutine, MessageEvent)
    subject.connect()
    alice = blocking_workspace.person("alice")
    for number in range(40):
        if number == 20 and end is not None:
            end(subject.link)
        for channel in CHANNELS:
            alice.say(channel, str(number))
    wanted = {blocking_workspace.channel(each).id: list(range(40)) for each in CHANNELS}
    eventually(lambda: sum(map(len, heard.values())) >= 40 * len(CHANNELS), "something was lost")

    assert heard == wanted
    assert busiest[0] > 1, "the conversations were not served at the same time"


def test_a_client_that_is_cut_off_because_it_does_not_read_loses_nothing(
    make_subject: MakeSubject, blocking_workspace: BlockingWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends a connection that is not read; the client resumes where it was."""
    monkeypatch.setattr(
        "tautwire.server.web_api.methods.rtm.MAX_REPLAY_SIZE", 2**30
    )  # the kernel alone holds megabytes
    address = f"http://127.0.0.1:{blocking_workspace._stage.server.port}/api/"  # no front, which would read for it
    subject = make_subject(base_url=address, timeouts=Timeouts(idle=0.4, silence=5.0))
    release = threading.Event()
    heard: list[str] = []

    async def slow(event: MessageEvent) -> None:
        while not release.is_set():  # noqa: ASYNC110 (it is set in another thread)
            await asyncio.sleep(0.01)
        heard.append(event.text)

    subject.register(slow, limit=10)
    subject.connect()
    alice = WebClient(blocking_workspace.person("alice").token, base_url=address)
    said: list[str] = []

    def talk() -> bool:
        for _ in range(5):
            said.append(str(len(said)))
            alice.chat_postMessage(channel="#general", text=said[-1], attachments=[{"text": "x" * 60_000}])
        return bool(subject.closes)

    eventually(talk, "it was not cut off", within=60)  # a few megabytes fill the buffers of the kernel first
    assert subject.closes[0][1].reason == "too slow"
    subject.wait_opened(2)
    release.set()
    eventually(lambda: len(heard) >= len(said), f"{len(heard)} of {len(said)}")
    assert heard == said
    assert all(gap.is_filled for gap in subject.gaps)
