"""The link to the upstream: its Socket Mode connections, one after the other with an overlap.

The upstream asks for a new connection every few hours. The link opens the next one before the old one is closed, so an
event always finds a connection. What the upstream sends twice, the intake drops. Source: wire/socket-mode.md.

Everything that ends a connection leads to the same place, ``Link._open``, which waits longer after each failure. A
connection counts as good when its hello has come. A lost one is not a fault of the gateway yet; a next one that cannot
be opened is.
"""

import asyncio
import contextlib
import logging
import math
import random
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec

from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.gateway.upstream.network import explain
from tautwire.protocol.tokens import Token
from tautwire.server.health import Health

log = logging.getLogger("tautwire.gateway.link")

FAULT: Final = "upstream"
"""The fault that means: no event comes from the upstream."""
REASONS: Final = frozenset({"link_disabled", "refresh_requested", "too_many_websockets", "warning"})
"""The reasons of ``disconnect``; the figures have no others. Source: wire/socket-mode.md."""
HEARTBEAT: Final = 10.0
"""Seconds between two PINGs; without an answer in half of it the connection counts as lost."""
HELLO_TIMEOUT: Final = 15.0
"""Seconds from the dial to hello."""
OVERLAP: Final = 10.0
"""Seconds that an old connection is read after the next one has its hello."""
FIRST_PATIENCE: Final = 5.0
"""Seconds that a start waits for the first hello."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
REFUSED_PAUSE: Final = 60.0
"""Seconds to the next try when the upstream refuses the app, which only an operator can change."""
BRIEF: Final = 2.0
"""Seconds: an upstream that asks for a new connection sooner, again and again, has to wait for it."""
MAX_FRAME: Final = 4 * 1_048_576
"""Bytes of a frame from the upstream."""


class Envelope(msgspec.Struct, gc=False):
    """A frame of Socket Mode. ``payload`` is decoded by those who know its type."""

    type: str = ""
    envelope_id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    reason: str = ""
    retry_attempt: int = 0


class Acknowledge(Protocol):
    """Acknowledges an envelope."""

    def __call__(self) -> None:
        """Queue the acknowledgement on the connection of the envelope; no effect if that has ended."""


_decode: Final = msgspec.json.Decoder(Envelope).decode


class Link:
    """Keeps the connection to the upstream.

    Args:
        receive: called with the payload of each event, in the order in which they come, and what acknowledges it.
        came_up: called when events can come again, before the first of them, with the seconds in which none could;
            infinity at the start, and if a connection has been silent before its end.
    """

    def __init__(
        self, api: Api, app_token: Token, receive: Callable[[bytes, Acknowledge], None], health: Health,
        came_up: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._api = api
        self._app_token = app_token
        self._receive = receive
        self._health = health
        self._came_up = came_up
        self._lost_at = -math.inf
        self._failure = ""  # why there is no next connection, while there is none
        self._sockets: set[_Socket] = set()
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        """Set when the first try has had its outcome."""
        self.connects = 0
        """Connections that had their hello."""
        self.endings: dict[str, int] = {}
        """Connections that had to be replaced, by reason."""
        self.failures = {"refused": 0, "unreachable": 0, "failed": 0}
        """Tries that led to no connection: the upstream refuses the app, it cannot be reached, or the link failed."""

    @property
    def is_up(self) -> bool:
        """Whether a connection has its hello and has not ended."""
        return any(socket.is_greeted for socket in self._sockets)

    async def start(self) -> None:
        """Begin to connect, and wait a while for the first hello. Without it, the link is a fault until it comes."""
        self._task = asyncio.create_task(self._run())
        try:
            await asyncio.wait_for(self._first.wait(), FIRST_PATIENCE)
        except TimeoutError:
            self._health.fault(FAULT, f"no connection to {self._api.host} yet")

    async def stop(self) -> None:
        """Close the connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(socket.close() for socket in list(self._sockets)))

    async def _run(self) -> None:
        failures = briefs = 0
        while True:
            pause = 0.0
            try:
                socket = await self._open()
            except (RefusedError, UpstreamError, aiohttp.ClientError, TimeoutError, OSError) as error:
                failures += 1
                self.failures["refused" if isinstance(error, RefusedError) else "unreachable"] += 1
                why = _reason(error, self._api)
                pause = REFUSED_PAUSE if isinstance(error, RefusedError) else _backoff(failures)
                self._failure = f"{why}; the next try is in {pause:.1f} s"
                if not self.is_up:
                    self._health.fault(FAULT, self._failure)
                log.warning("no connection to %s: %s; the next try is in %.1f s", self._api.host, why, pause)
            except Exception:
                failures += 1
                self.failures["failed"] += 1
                pause = _backoff(failures)
                log.exception("the link to %s failed; the next try is in %.1f s", self._api.host, pause)
            else:
                failures, self._failure = 0, ""
                self._health.clear(FAULT)
                self._first.set()
                self._retire_others(socket)
                opened = monotonic()
                why = await socket.replaced()
                self.endings[why] = self.endings.get(why, 0) + 1
                log.info("the connection to %s is replaced: %s", self._api.host, why)
                briefs = briefs + 1 if monotonic() - opened < BRIEF else 0
                pause = self._pause_after(why, briefs)
                if why == "link_disabled":
                    self._failure = "Socket Mode is switched off at the upstream: switch it on in the app's settings"
                    self._health.fault(FAULT, self._failure)
            self._first.set()
            await asyncio.sleep(pause)

    def _pause_after(self, why: str, briefs: int) -> float:
        """Return the seconds between the end of a connection and the next try.

        Args:
            why: the reason of its end.
            briefs: how many connections one after the other were asked at once to be replaced.
        """
        if why in ("too_many_websockets", "link_disabled"):
            return _backoff(4)
        if why == "lost":
            return FIRST_PAUSE * random.random()  # noqa: S311 - a jitter
        return _backoff(briefs) if briefs > 1 else 0.0

    async def _open(self) -> "_Socket":
        """Open a connection, and wait for its hello."""
        answer = await self._api.read("apps.connections.open", self._app_token)
        url = answer.text("url")
        if not is_of_host(url, self._api.host):
            raise UpstreamError("the URL of apps.connections.open leads to another host", was_sent=True)
        ws = await self._api.dial(
            url, heartbeat=HEARTBEAT, max_msg_size=MAX_FRAME, timeout=aiohttp.ClientWSTimeout(ws_close=2.0)
        )
        socket = _Socket(ws, self._receive, self._greet, self._end)
        self._sockets.add(socket)
        try:
            await asyncio.wait_for(socket.greeted(), HELLO_TIMEOUT)
        except BaseException:
            await socket.close()
            raise
        self.connects += 1
        log.info("connected to %s", self._api.host)
        return socket

    def _greet(self) -> None:
        """Called before a connection counts as greeted."""
        if not self.is_up:
            self._came_up(monotonic() - self._lost_at)

    def _end(self, socket: "_Socket") -> None:
        self._sockets.discard(socket)
        if socket.was_greeted and not self.is_up:
            self._lost_at = -math.inf if socket.was_silent else monotonic()
            if self._failure:  # the next one could not be opened while this one still was
                self._health.fault(FAULT, self._failure)

    def _retire_others(self, current: "_Socket") -> None:
        """Close the older connections when what is on its way on them has had time to come."""
        for socket in self._sockets - {current}:
            socket.close_after(OVERLAP)


class _Socket:
    """One connection of the link: it reads in a task of its own until it ends."""

    def __init__(
        self,
        ws: aiohttp.ClientWebSocketResponse,
        receive: Callable[[bytes, Acknowledge], None],
        greet: Callable[[], None],
        ended: Callable[["_Socket"], None],
    ) -> None:
        self._ws = ws
        self._receive = receive
        self._greet = greet
        self._ended = ended
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._replaced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._acks: asyncio.Queue[str] = asyncio.Queue()  # no longer than the events that were received
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        self._closing: asyncio.Task[None] | None = None
        self.is_greeted = False
        """Whether hello has come, and the connection has not ended."""
        self.was_greeted = False

    @property
    def was_silent(self) -> bool:
        """Whether the connection ended because no PONG came: since when nothing could come is not known."""
        return isinstance(self._ws.exception(), aiohttp.ServerTimeoutError)

    async def greeted(self) -> None:
        """Wait for hello; raise ``UpstreamError`` if the connection ends before."""
        await asyncio.shield(self._hello)

    async def replaced(self) -> str:
        """Wait until another connection is needed; return the reason."""
        return await asyncio.shield(self._replaced)

    def close_after(self, seconds: float) -> None:
        """Close it later, unless it ends before."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close_after(seconds))

    async def close(self) -> None:
        """Close it."""
        if self._closing is not None and self._closing is not asyncio.current_task():
            self._closing.cancel()
        with contextlib.suppress(Exception):
            await self._ws.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _close_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.close()

    async def _read(self) -> None:
        try:
            async for message in self._ws:
                if message.type is aiohttp.WSMsgType.TEXT:
                    try:
                        self._take(message.data)
                    except Exception:
                        log.exception("a frame of the upstream was not taken; an event in it comes again")
        finally:
            self.is_greeted = False
            self._ended(self)
            self._tasks[1].cancel()
            if not self._hello.done():
                self._hello.set_exception(UpstreamError("the connection ended before its hello", was_sent=True))
                self._hello.exception()  # seen: the link may have given up waiting
            self._replace("lost")

    async def _write(self) -> None:
        while True:
            envelope = await self._acks.get()
            with contextlib.suppress(ConnectionError, aiohttp.ClientError, RuntimeError):
                # A connection that has ended: the upstream sends the event again, and it is acknowledged then.
                await self._ws.send_str(f'{{"envelope_id":{msgspec.json.encode(envelope).decode()}}}')

    def _take(self, text: Any) -> None:
        try:
            envelope = _decode(text)
        except (msgspec.MsgspecError, RecursionError):
            log.warning("a frame of the upstream cannot be read; it has %d characters", len(text))
            return
        match envelope.type:
            case "hello":
                if not self.was_greeted:
                    self._greet()
                self.is_greeted = self.was_greeted = True
                if not self._hello.done():
                    self._hello.set_result(None)
            case "disconnect":
                # "warning" comes some seconds before "refresh_requested": either is the time for the next one.
                self._replace(envelope.reason if envelope.reason in REASONS else "other")
            case "events_api":
                self._receive(bytes(envelope.payload), self._acknowledgement(envelope.envelope_id))
            case _ if envelope.envelope_id:
                # Interactions and slash commands: RTM has nothing like them, and a person must not see an error.
                self._acks.put_nowait(envelope.envelope_id)

    def _acknowledgement(self, envelope: str) -> Acknowledge:
        def acknowledge() -> None:
            self._acks.put_nowait(envelope)

        return acknowledge

    def _replace(self, why: str) -> None:
        if not self._replaced.done():
            self._replaced.set_result(why)


def _backoff(failures: int) -> float:
    most = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**failures)
    return most * (0.5 + random.random() / 2)  # noqa: S311 - a jitter


def _reason(error: Exception, api: Api) -> str:
    if isinstance(error, RefusedError):
        return f"{error}; check the app-level token and that Socket Mode is switched on"
    if isinstance(error, UpstreamError):
        return str(error)
    by_proxy = explain(error, f"wss://{api.host}", api.network)
    return by_proxy or f"the connection was not opened ({type(error).__name__})"


def is_of_host(url: str, host: str) -> bool:
    """Whether a WebSocket URL is at the host of the API or below the same domain: its query has a secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    found = parts.hostname or ""
    return parts.scheme in ("ws", "wss") and (found == host or found.endswith("." + host.removeprefix("www.")))
