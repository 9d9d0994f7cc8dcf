"""Faults on demand: a front between clients and the server, where a test decides what goes wrong.

Clients reach the server through the front, WebSocket and Web API alike, since RTM URLs are made from the address a
caller came by. Nothing goes wrong until a test asks for it. All methods may be called from any thread, at any time.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from tautwire.server.faults.answers import FaultyAnswer, answer_of
from tautwire.server.faults.book import METHODS, Fault, Rule
from tautwire.testing.calls import MAX_READ
from tautwire.testing.heads import Head, read_head
from tautwire.testing.link import Link
from tautwire.testing.plan import UPGRADES, Plan, Upgrade, UpgradeRule


class Faults:
    """What can be made to go wrong in a workspace, and what clients did about it.

    ``times`` says how often, and is 1 or more; a ``ValueError`` says so otherwise.

    Args:
        called: is given the head, the body and the answer of each Web API call, when it is over.
        dialled: returns the name of the user for the path of an RTM URL.
        framed: is given each frame that a client sends, and each hello of the server.
    """

    def __init__(
        self,
        called: Callable[[Head, bytes, bytes], None] = lambda *_: None,
        dialled: Callable[[str], str] = lambda _: "",
        framed: Callable[[Link, bytes], None] = lambda *_: None,
    ) -> None:
        self._called = called
        self._dialled = dialled
        self._framed = framed
        self.calls: list[tuple[float, str]] = []
        """Every Web API call that came in: when (monotonic seconds) and which method."""
        self.upgrades: list[float] = []
        """When each RTM URL was dialled (monotonic seconds)."""
        self._links: list[Link] = []
        self._plan = Plan()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop
        self._server: asyncio.Server | None = None
        self._placeholder: socket.socket | None = None
        self._upstream = 0
        self._is_served = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        """Where the front listens."""

    # -- looking --------------------------------------------------------------------------------------------

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return sum(1 for _, name in list(self.calls) if name == method)

    @property
    def links(self) -> list[Link]:
        """The RTM connections that are open, oldest first."""
        return list(self._links)

    # -- the Web API ----------------------------------------------------------------------------------------

    def rate_limit(self, method: str = "", *, retry_after: int = 1, times: int = 1) -> None:
        """Answer 429 with ``Retry-After`` to the next calls of a method, of any method without one."""
        self._add("rate_limit", times, method=method or None, retry_after=retry_after)

    def fail(self, method: str = "", *, status: int = 500, times: int = 1) -> None:
        """Answer an HTTP error status to the next calls."""
        self._add("server_error", times, method=method or None, status=status)

    def error(self, method: str, code: str, *, times: int = 1) -> None:
        """Answer ``ok: false`` with an error string, such as ``invalid_auth``, to the next calls."""
        self._add("method_error", times, method=method or None, code=code)

    def drop(self, method: str = "", *, times: int = 1) -> None:
        """Close the socket instead of answering the next calls."""
        self._add("dropped_call", times, method=method or None)

    def delay(self, seconds: float, method: str = "", *, times: int = 1) -> None:
        """Keep the next calls waiting before they reach the server."""
        self._add("hang", times, method=method or None, seconds=seconds)

    def refuse_connections(self, refuse: bool = True) -> None:
        """Close the port for new connections, or open it again. Sockets that are open stay."""
        asyncio.run_coroutine_threadsafe(self._listen(not refuse), self._loop).result()

    # -- opening RTM connections ----------------------------------------------------------------------------

    def upgrade(self, kind: Upgrade, *, times: int = 1) -> None:
        """Let the next RTM URLs that are dialled end in a fault.

        Raises:
            ValueError: there is no such fault.
        """
        if kind not in UPGRADES:
            raise ValueError(f"no such fault: {kind!r}; there are {', '.join(UPGRADES)}")
        _check_times(times)
        with self._lock:
            self._plan.upgrades.append(UpgradeRule(kind, times))

    # -- what the server says -------------------------------------------------------------------------------

    def lose_acks(self, times: int = 1) -> None:
        """Swallow the next replies to messages; the messages are stored all the same."""
        self._add("lost_ack", times)

    def late_acks(self, seconds: float, times: int = 1) -> None:
        """Hold back the next replies to messages."""
        self._add("late_ack", times, seconds=seconds)

    def repeat_events(self, times: int = 1) -> None:
        """Deliver the next events twice."""
        self._add("repeated_event", times)

    def slow_down(self, seconds: float) -> None:
        """Hold back each frame of the server by some seconds; 0 ends that."""
        self._plan.book.remove(faults=("slow",))
        if seconds:
            self._plan.book.add(Rule(fault="slow", times=None, seconds=seconds))

    def be_foreign(self, foreign: bool = True) -> None:
        """Be a server that knows no positions, as any other than ours: what happens in a gap is lost to RTM."""
        self._plan.is_foreign = foreign

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._plan = Plan()
        self.refuse_connections(False)

    # -- the front; on the server's loop --------------------------------------------------------------------

    async def start(self, upstream: int) -> None:
        """Listen in front of the server on ``upstream``."""
        self._loop = asyncio.get_running_loop()
        self.resume(upstream)
        await self._listen(True)

    async def suspend(self) -> None:
        """Drop all connections, and keep calls waiting until ``resume``; nothing goes wrong any more."""
        self._is_served.clear()
        self._plan = Plan()
        await self._listen(True)
        await self._drop()

    def resume(self, upstream: int) -> None:
        """Go on in front of the server on ``upstream``."""
        self._upstream = upstream
        self._is_served.set()

    def forget(self) -> None:
        """Forget the calls and dials so far."""
        self.calls.clear()
        self.upgrades.clear()

    async def stop(self) -> None:
        """Drop everything."""
        await self._listen(False)
        if self._placeholder is not None:
            self._placeholder.close()
        await self._drop()

    async def _drop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, listen: bool) -> None:
        """Listen or not; either way the port stays ours, bound by a socket that refuses."""
        if listen and self._server is None:
            if self._placeholder is not None:
                self._placeholder.close()
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        elif not listen and self._server is not None:
            self._server.close()
            self._server = None
            self._placeholder = socket.socket()
            self._placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._placeholder.bind(("127.0.0.1", self.port))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:
            return
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            if not writer.transport.is_closing():
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (head := await read_head(reader)) is not None:
            if head.is_upgrade:
                self.upgrades.append(time.monotonic())
                await self._relay_rtm(head, reader, writer)
                return
            if not await self._relay_call(head, reader, writer):
                return

    async def _relay_call(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Pass one Web API call on, or let it fail; return whether the socket stays open."""
        body = await reader.readexactly(head.content_length)
        self.calls.append((time.monotonic(), head.method_name))
        answered = bytearray()
        try:
            return await self._answer_call(head, body, writer, answered)
        finally:
            self._called(head, body, bytes(answered))

    async def _answer_call(self, head: Head, body: bytes, writer: asyncio.StreamWriter, answered: bytearray) -> bool:
        """Answer a call, and keep what the answer was as far as it is looked at."""
        rule = self._plan.book.take(METHODS, method=head.method_name)
        if rule is not None and rule.fault == "dropped_call":
            return False
        if rule is not None and rule.fault != "hang":
            answered += _written(answer_of(rule))
            writer.write(answered)
            await writer.drain()
            return True
        if rule is not None:
            await asyncio.sleep(rule.seconds)
        if self._plan.is_foreign:
            head = head.without_argument("resume")
        await self._is_served.wait()
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            up_writer.write(head.with_header("Connection", "close") + body)
            while data := await up_reader.read(65_536):
                writer.write(data)
                answered += data[: max(0, MAX_READ - len(answered))]
            await writer.drain()
        finally:
            up_writer.close()
        return False

    async def _relay_rtm(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        user = self._dialled(head.path)
        kind = self._next_upgrade()
        if kind == "refuse":
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        if kind == "hang":
            await reader.read()
            return
        if kind == "expired":
            head = head.with_path("/rtm/expired")
        await self._is_served.wait()
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        link = Link(self._plan_now, writer, up_writer, asyncio.get_running_loop(), kind, user, self._framed)
        self._links.append(link)
        try:
            up_writer.write(head.raw)
            await link.relay(reader, up_reader)
        finally:
            link.is_closed = True
            self._links.remove(link)
            up_writer.close()

    def _plan_now(self) -> Plan:
        return self._plan

    def _add(self, fault: Fault, times: int, **limits: Any) -> None:
        _check_times(times)
        self._plan.book.add(Rule(fault=fault, times=times, **limits))

    def _next_upgrade(self) -> Upgrade | None:
        with self._lock:
            for rule in self._plan.upgrades:
                rule.times -= 1
                if rule.times <= 0:
                    self._plan.upgrades.remove(rule)
                return rule.kind
        return None


def _check_times(times: int) -> None:
    if times < 1:
        raise ValueError(f"times must be 1 or more, got {times}")


def _written(answer: FaultyAnswer) -> bytes:
    given = {**answer.headers, "Content-Length": str(len(answer.body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {answer.status} Fault\r\n{lines}\r\n".encode("latin-1") + answer.body
