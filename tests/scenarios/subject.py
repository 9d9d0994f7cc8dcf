"""What the scenarios share: either client behind one blocking face, somebody who keeps talking, and bounded waits."""

import asyncio
import concurrent.futures
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self

from tautwire import Backoff, BlockingRTMClient, Closed, Gap, HelloEvent, MessageEvent, Rate, RTMClient
from tautwire.client.notices import ClientState
from tautwire.testing import BlockingWorkspace, Faults, Link
from tautwire.testing.thread import LoopThread

Kind = Literal["asyncio", "blocking"]

KINDS: tuple[Kind, ...] = ("asyncio", "blocking")

SERVER_THREADS = "tautwire-reader"
"""The server starts these when it needs them, and keeps them."""

PATIENCE = 10.0
"""Seconds that anything may take unless a scenario says less. Wide, since tests share the machine."""

QUICK = Backoff(base=0.05, cap=0.2, stable_after=60.0, budget=Rate(per_second=100.0, burst=100))
"""So that a scenario does not wait for what a program may well wait for."""


def eventually(condition: Callable[[], object], complaint: str = "it never happened", within: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.002)


def stays(condition: Callable[[], object], complaint: str, seconds: float) -> None:
    """Make sure that something holds for some time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), complaint
        time.sleep(0.005)


class Subject:
    """A client under test, and all it said.

    Methods of the client are called as if it were a blocking one. Messages are heard the way most programs hear them:
    by a coroutine function of the asyncio client, by a plain function of the blocking one.
    """

    def __init__(self, kind: Kind, token: str, base_url: str, faults: Faults | None = None, **options: Any) -> None:
        self.kind = kind
        self.heard: list[str] = []
        """The texts of all messages, as they came."""
        self.gaps: list[Gap] = []
        self.closes: list[tuple[float, Closed]] = []
        """When (monotonic seconds) and how each connection ended."""
        self.errors: list[BaseException] = []
        self.hellos = 0
        """How many connections it had."""
        self._faults = faults
        self._thread: LoopThread | None = None
        self._is_ended = False
        self._runner: concurrent.futures.Future[None] | None = None
        options = {"token": token, "base_url": base_url, "backoff": QUICK, "message_rate": None, **options}
        if kind == "asyncio":
            self._thread = LoopThread()
            self.client: Any = RTMClient(**options)
            self.client.register(self._hear_async, MessageEvent)
        else:
            self.client = BlockingRTMClient(**options)
            self.client.register(self._hear, MessageEvent)
        self.client.register(self._note_hello, HelloEvent, inline=True)
        self.client.add_gap_handler(self._note_gap)
        self.client.add_close_handler(self._note_close)
        self.client.add_error_handler(self._note_error)

    def __getattr__(self, name: str) -> Any:
        """Return what the client has; a coroutine method is called and waited for."""
        found = getattr(self.client, name)
        if self._thread is None or not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **options: self._wait(found(*args, **options))

    @property
    def state(self) -> ClientState:
        """The client's."""
        state: ClientState = self.client.state
        return state

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where the client runs."""
        found: asyncio.AbstractEventLoop = self.client._background.loop if self._thread is None else self._thread.loop
        return found

    @property
    def faults(self) -> Faults:
        """The front it has to go through."""
        assert self._faults is not None
        return self._faults

    @property
    def connects(self) -> int:
        """How often it called rtm.connect."""
        return self.faults.count("rtm.connect")

    @property
    def link(self) -> Link:
        """Its connection, as the front sees it: the newest one."""
        return self.faults.links[-1]

    def connect(self) -> Self:
        """Connect, and return when the front sees it as well."""
        self.__getattr__("connect")()
        return self

    def start(self) -> "concurrent.futures.Future[None]":
        """Let ``run`` run beside the scenario; the future ends as it ends."""
        if self._thread is not None:
            self._runner = self._thread.submit(self.client.run())
            return self._runner
        self._runner = aside(self.client.run)
        return self._runner

    def is_ready(self) -> bool:
        """Whether it is connected."""
        return self.state is ClientState.READY

    def wait_ready(self, within: float = PATIENCE) -> None:
        """Wait until it is connected."""
        eventually(self.is_ready, f"not connected: {self.state}", within)

    def wait_opened(self, number: int) -> None:
        """Wait until it is connected for the ``number``-th time."""
        eventually(
            lambda: self.hellos >= number and self.is_ready(), f"{self.hellos} hellos, {self.state}, {self.errors}"
        )

    def handler(self, work: Callable[[Any], object]) -> Callable[[Any], object]:
        """Make a handler of the kind that suits the client, which does ``work`` with what it is given.

        A coroutine function runs ``work`` in the loop's thread, so blocking work has to be given to it otherwise.
        """
        if self.kind == "blocking":
            return work

        async def handle(item: Any) -> None:
            result = work(item)
            if inspect.isawaitable(result):
                await result

        return handle

    def end(self) -> None:
        """Close the client, and see that it leaves no task behind. Does nothing the second time."""
        if self._is_ended:
            return
        self._is_ended = True
        self.close()
        if self._runner is not None:
            concurrent.futures.wait([self._runner], PATIENCE)
        if self._thread is not None:
            left = self._wait(_tasks())
            self._wait(self._thread.loop.shutdown_default_executor())
            self._thread.close()
            assert left == [], f"tasks are left: {left}"

    # -- what it hears --------------------------------------------------------------------------------------

    def _hear(self, event: MessageEvent) -> None:
        self.heard.append(event.text)

    async def _hear_async(self, event: MessageEvent) -> None:
        await asyncio.sleep(0)
        self.heard.append(event.text)

    def _note_hello(self, _event: HelloEvent) -> None:
        self.hellos += 1

    def _note_gap(self, gap: Gap) -> None:
        self.gaps.append(gap)

    def _note_close(self, closed: Closed) -> None:
        self.closes.append((time.monotonic(), closed))

    def _note_error(self, error: BaseException, _event: object) -> None:
        self.errors.append(error)

    def _wait(self, work: Any) -> Any:
        assert self._thread is not None
        future = self._thread.submit(work)
        try:
            return future.result(3 * PATIENCE)
        except BaseException:
            future.cancel()
            raise


MakeSubject = Callable[..., Subject]
"""Makes a client of the kind under test, with any options."""


async def _tasks() -> list[str]:
    await asyncio.sleep(0)
    return [repr(each) for each in asyncio.all_tasks() if each is not asyncio.current_task()]


def aside(work: Callable[[], Any]) -> "concurrent.futures.Future[Any]":
    """Run a function in a thread of its own."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="aside").start()
    return future


class Talk:
    """Alice, who says one number after the other until the block ends; nobody is spared a single one."""

    def __init__(self, workspace: BlockingWorkspace, pause: float = 0.002) -> None:
        self.said: list[str] = []
        self._alice = workspace.person("alice")
        self._pause = pause
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alice")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()
        self._say("the end")

    def go_on(self, more: int = 10) -> None:
        """Wait until she said some more."""
        goal = len(self.said) + more
        eventually(lambda: len(self.said) >= goal, "alice is silent")

    def was_heard_by(self, subject: Subject) -> None:
        """Make sure that every word was heard once and in order."""
        eventually(lambda: self.said[-1] in subject.heard, f"the last word was not heard; {_difference(self, subject)}")
        assert subject.heard == self.said, _difference(self, subject)

    def _run(self) -> None:
        while not self._enough.wait(self._pause):
            self._say(str(len(self.said) + 1))

    def _say(self, text: str) -> None:
        self._alice.say("general", text)
        self.said.append(text)


def _difference(talk: Talk, subject: Subject) -> str:
    heard = subject.heard
    twice = sorted({each for each in heard if heard.count(each) > 1}, key=heard.index)
    lost = [each for each in talk.said if each not in heard]
    return f"of {len(talk.said)}, lost {lost}, twice {twice}, heard last {heard[-5:]}"


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """See that the block leaves no thread and no file descriptor open."""
    threads, files = set(threading.enumerate()), open_files()
    yield
    eventually(lambda: not _left(threads), f"threads are left: {_left(threads)}")
    eventually(lambda: len(open_files()) <= len(files), f"file descriptors are left: {open_files()} after {files}")


def open_files() -> list[str]:
    """Return what is open in this process, but for plain files: those are the server's."""
    found = []
    for each in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # closed meanwhile
            found.append(str(each.readlink()))
    return [each for each in found if not each.startswith("/")]


def _left(before: set[threading.Thread]) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each not in before and not each.name.startswith(SERVER_THREADS)]
