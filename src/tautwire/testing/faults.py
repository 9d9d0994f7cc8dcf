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
from dataclasses import dataclass, field
from typing import Final, Literal

from tautwire.testing.wire import Frame, FrameReader, Head, frame_bytes, read_head

Upgrade = Literal["refuse", "expired", "no_hello", "drop"]
"""``refuse`` answers 503; ``expired`` lets in and says that the URL has expired; ``no_hello`` opens the socket and is
silent; ``drop`` closes the socket right after hello."""

FOREVER: Final = 1_000_000
"""As a number of times: until ``clear``."""


@dataclass(slots=True)
class _Rule:
    """What to do to the next ``times`` calls of a method ("" for any)."""

    method: str
    times: int
    status: int = 0
    retry_after: int | None = None
    delay: float = 0.0
    body: bytes = b""


@dataclass(slots=True)
class _Plan:
    """What goes wrong now."""

    rules: list[_Rule] = field(default_factory=list)
    upgrades: list[Upgrade] = field(default_factory=list)
    acks_lost: int = 0
    acks_late: list[float] = field(default_factory=list)
    repeats: int = 0
    slowness: float = 0.0


class Faults:
    """What can be made to go wrong in a workspace, and what clients did about it."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, str]] = []
        """Every Web API call that came in: when (monotonic seconds) and which method."""
        self.upgrades: list[float] = []
        """When each RTM URL was dialled (monotonic seconds)."""
        self._links: list[Link] = []
        self._plan = _Plan()
        self._lock = threading.Lock()
        self._server: asyncio.Server | None = None
        self._upstream = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusing = False
        self.port = 0
        """Where the front listens."""

    # -- looking --------------------------------------------------------------------------------------------

    def count(self, method: str) -> int:
        """Return how often a method was called."""
        return sum(1 for _, name in list(self.calls) if name == method)

    @property
    def links(self) -> "list[Link]":
        """The RTM connections that are open, oldest first."""
        return [link for link in list(self._links) if not link.is_closed]

    # -- the Web API ----------------------------------------------------------------------------------------

    def rate_limit(self, method: str = "", *, retry_after: int = 1, times: int = 1) -> None:
        """Answer 429 with ``Retry-After`` to the next calls of a method, of any method without one."""
        self._add(_Rule(method, times, 429, retry_after, body=b'{"ok":false,"error":"ratelimited"}'))

    def fail(self, method: str = "", *, status: int = 500, times: int = 1) -> None:
        """Answer an HTTP error status to the next calls."""
        self._add(_Rule(method, times, status, body=b"upstream trouble"))

    def error(self, method: str, code: str, *, times: int = 1) -> None:
        """Answer ``ok: false`` with an error string, such as ``invalid_auth``, to the next calls."""
        self._add(_Rule(method, times, 200, body=b'{"ok":false,"error":"%s"}' % code.encode()))

    def drop(self, method: str = "", *, times: int = 1) -> None:
        """Close the socket instead of answering the next calls."""
        self._add(_Rule(method, times))

    def delay(self, seconds: float, method: str = "", *, times: int = 1) -> None:
        """Keep the next calls waiting before they reach the server."""
        self._add(_Rule(method, times, -1, delay=seconds))

    def refuse_connections(self, refuse: bool = True) -> None:
        """Close every new socket at once, as if nobody listened, or stop doing so."""
        self._refusing = refuse

    # -- opening RTM connections ----------------------------------------------------------------------------

    def upgrade(self, kind: Upgrade, *, times: int = 1) -> None:
        """Let the next RTM URLs that are dialled end in a fault."""
        with self._lock:
            self._plan.upgrades += [kind] * times

    # -- what the server says -------------------------------------------------------------------------------

    def lose_acks(self, times: int = 1) -> None:
        """Swallow the next replies to messages; the messages are stored all the same."""
        self._plan.acks_lost += times

    def late_acks(self, seconds: float, times: int = 1) -> None:
        """Hold back the next replies to messages."""
        self._plan.acks_late += [seconds] * times

    def repeat_events(self, times: int = 1) -> None:
        """Deliver the next events twice."""
        self._plan.repeats += times

    def slow_down(self, seconds: float) -> None:
        """Hold back each frame of the server by some seconds; 0 ends that."""
        self._plan.slowness = seconds

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._plan = _Plan()
        self._refusing = False

    # -- the front; on the server's loop --------------------------------------------------------------------

    async def start(self, upstream: int) -> None:
        """Listen in front of the server on ``upstream``."""
        self._upstream = upstream
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Drop everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
        while not self._refusing:
            head = await read_head(reader)
            if head is None:
                return
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
        rule = self._next_rule(head.method_name)
        if rule is not None and rule.status >= 0:
            if rule.status == 0:
                return False
            writer.write(_answer(rule))
            await writer.drain()
            return True
        if rule is not None:
            await asyncio.sleep(rule.delay)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        try:
            up_writer.write(head.with_header("Connection", "close") + body)
            while data := await up_reader.read(65_536):
                writer.write(data)
            await writer.drain()
        finally:
            up_writer.close()
        return False

    async def _relay_rtm(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = self._next_upgrade()
        if kind == "refuse":
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        if kind == "expired":
            head = head.with_path("/rtm/expired")
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        link = Link(self._plan_now, writer, up_writer, asyncio.get_running_loop(), kind)
        self._links.append(link)
        try:
            up_writer.write(head.raw)
            await link.relay(reader, up_reader)
        finally:
            link.is_closed = True
            up_writer.close()

    def _plan_now(self) -> _Plan:
        return self._plan

    def _add(self, rule: _Rule) -> None:
        with self._lock:
            self._plan.rules.append(rule)

    def _next_rule(self, method: str) -> _Rule | None:
        with self._lock:
            for rule in self._plan.rules:
                if rule.method in ("", method):
                    rule.times -= 1
                    if rule.times <= 0:
                        self._plan.rules.remove(rule)
                    return rule
        return None

    def _next_upgrade(self) -> Upgrade | None:
        with self._lock:
            return self._plan.upgrades.pop(0) if self._plan.upgrades else None


class Link:
    """One RTM connection as the front sees it. What is done to it happens to the client's side."""

    def __init__(
        self,
        plan: Callable[[], _Plan],
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        loop: asyncio.AbstractEventLoop,
        kind: Upgrade | None,
    ) -> None:
        self.is_closed = False
        self.sent: list[bytes] = []
        """The text frames that the client sent."""
        self._plan = plan
        self._client = client
        self._server = server
        self._loop = loop
        self._kind = kind
        self._is_silent = kind == "no_hello"

    # -- endings --------------------------------------------------------------------------------------------

    def fin(self) -> None:
        """End with a TCP FIN and no Close frame."""
        self._do(self._client.close)

    def rst(self) -> None:
        """End with a TCP RST."""
        self._do(self._reset)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame and then FIN, as a server does."""
        self._do(self._write, frame_bytes(8, code.to_bytes(2) + reason.encode()))
        self._do(self._client.close)

    def silence(self) -> None:
        """Go half-open: the socket stays, nothing is answered or delivered any more."""
        self._do(setattr, self, "_is_silent", True)

    # -- frames ---------------------------------------------------------------------------------------------

    def inject(self, text: str) -> None:
        """Send the client a text frame that the server did not send."""
        self._do(self._write, frame_bytes(1, text.encode()))

    def goodbye(self) -> None:
        """Announce the end, as the server does before maintenance."""
        self.inject('{"type":"goodbye"}')

    def migration(self) -> None:
        """Announce that the workspace moves, and end the socket, as documented."""
        self.inject('{"type":"team_migration_started"}')
        self._do(self._client.close)

    def raw(self, data: bytes) -> None:
        """Send the client these bytes, whatever they are: garbage, half a frame, bad UTF-8 in a frame."""
        self._do(self._write, data)

    def half_frame(self, text: str, pause: float) -> None:
        """Send a text frame in two halves with a pause between them."""
        data = frame_bytes(1, text.encode())
        half = len(data) // 2
        self.raw(data[:half])
        self._loop.call_soon_threadsafe(lambda: self._loop.call_later(pause, self._write, data[half:]))

    def fragments(self, text: str, parts: int = 3) -> None:
        """Send a text message in several WebSocket fragments."""
        data = text.encode()
        size = max(1, -(-len(data) // parts))
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        for number, piece in enumerate(pieces):
            opcode = 1 if number == 0 else 0
            self.raw(frame_bytes(opcode, piece, final=number == len(pieces) - 1))

    # -- on the server's loop -------------------------------------------------------------------------------

    async def relay(self, from_client: asyncio.StreamReader, from_server: asyncio.StreamReader) -> None:
        """Pass everything on until one side ends."""
        up = asyncio.create_task(self._relay_up(from_client))
        down = asyncio.create_task(self._relay_down(from_server))
        try:
            await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)

    async def _relay_up(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        while data := await reader.read(65_536):
            self.sent += [frame.payload for frame in frames.feed(data) if frame.opcode == 1]
            if not self._is_silent:
                self._server.write(data)

    async def _relay_down(self, reader: asyncio.StreamReader) -> None:
        self._write_unless_silent(await reader.readuntil(b"\r\n\r\n"), even_if_silent=self._kind == "no_hello")
        frames = FrameReader()
        while data := await reader.read(65_536):
            for frame in frames.feed(data):
                if not await self._pass_on(frame):
                    return

    async def _pass_on(self, frame: Frame) -> bool:
        """Send one of the server's frames to the client, as the plan wants it; return whether to go on."""
        plan = self._plan()
        if plan.slowness:
            await asyncio.sleep(plan.slowness)
        if frame.is_ack and plan.acks_lost > 0:
            plan.acks_lost -= 1
            return True
        if frame.is_ack and plan.acks_late:
            self._loop.call_later(plan.acks_late.pop(0), self._write_unless_silent, frame.raw)
            return True
        self._write_unless_silent(frame.raw)
        if frame.is_event and plan.repeats > 0:
            plan.repeats -= 1
            self._write_unless_silent(frame.raw)
        return not (self._kind == "drop" and frame.payload.startswith(b'{"type":"hello"'))

    def _write_unless_silent(self, data: bytes, *, even_if_silent: bool = False) -> None:
        if not self._is_silent or even_if_silent:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if not self._client.transport.is_closing():
            self._client.write(data)

    def _reset(self) -> None:
        raw = self._client.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._client.transport.abort()

    def _do(self, function: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(function, *arguments)


def _answer(rule: _Rule) -> bytes:
    retry = b"" if rule.retry_after is None else b"Retry-After: %d\r\n" % rule.retry_after
    kind = b"application/json" if rule.body.startswith(b"{") else b"text/plain"
    return b"HTTP/1.1 %d Fault\r\nContent-Type: %b; charset=utf-8\r\nContent-Length: %d\r\n%b\r\n%b" % (
        rule.status,
        kind,
        len(rule.body),
        retry,
        rule.body,
    )
