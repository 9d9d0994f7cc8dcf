"""The link to the upstream: its Socket Mode connections, one after the other with an overlap.

The upstream asks for a new connection every few hours. The link opens the next one before the old one is closed, so an
event always finds a connection; ``merge`` puts what comes on both in order. What the upstream sends twice, the intake
drops. Source: wire/socket-mode.md.

Everything that ends a connection leads to the same place, ``Link._open``, which waits longer after each failure. A
connection counts as good when its hello has come. A lost one is not a fault of the gateway yet; a next one that cannot
be opened is.
"""

import asyncio
import contextlib
import logging
import math
import random
import struct
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.gateway.upstream.condition import Condition
from tautwire.gateway.upstream.frames import REASONS, decode, keeps_events
from tautwire.gateway.upstream.hosts import is_of_host
from tautwire.gateway.upstream.merge import Merge
from tautwire.gateway.upstream.network import explain
from tautwire.protocol.tokens import Token
from tautwire.server.health import Health

log = logging.getLogger("tautwire.gateway.link")

OPEN: Final = "apps.connections.open"
"""The method that gives the URL of a connection."""
FAULT: Final = "upstream"
"""The fault that means: no event comes from the upstream."""
RENEWED: Final = "renewed"
"""The reason for a next connection that the gateway itself has: another app-level token."""
HEARTBEAT: Final = 10.0
"""Seconds between two PINGs; without an answer in half of it the connection counts as lost."""
HELLO_TIMEOUT: Final = 15.0
"""Seconds from the dial to hello."""
OVERLAP: Final = 2.0
"""Seconds in which an old connection has to end after the next one has its hello."""
SETTLE: Final = 0.25
"""Seconds from the end of an old connection until what was held is passed on."""
FIRST_PATIENCE: Final = 5.0
"""Seconds that a start waits for the first hello."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
REFUSED_PAUSE: Final = 60.0
"""Seconds to the next try when the upstream refuses the app, which only an operator can change."""
BRIEF: Final = 2.0
"""Seconds: an upstream that asks for a new connection sooner, again and again, has to wait for it."""
CLOSE_PATIENCE: Final = 2.0
"""Seconds that the end of a connection waits for the upstream's Close frame."""
MAX_FRAME: Final = 4 * 1_048_576
"""Bytes of a frame from the upstream."""


class Acknowledge(Protocol):
    """Acknowledges an envelope."""

    def __call__(self) -> None:
        """Queue the acknowledgement on the connection of the envelope; no effect if that has ended."""


_ENDS: Final = (
    aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR,
)  # fmt: skip


class Link:
    """Keeps the connection to the upstream.

    Args:
        receive: called with the payload of each event, in the order in which they come, and what acknowledges it.
        came_up: called when events can come again, before the first of them, with the seconds in which none could;
            infinity at the start, and if a connection has been silent before its end; 0 if the upstream says that it
            has kept the events of that time.
    """

    def __init__(
        self, api: Api, app_token: Token, receive: Callable[[bytes, Acknowledge], None], health: Health,
        came_up: Callable[[float], None],
    ) -> None:  # fmt: skip
        self._api = api
        self._app_token = app_token
        self._merge = Merge(receive)
        self._health = health
        self._came_up = came_up
        self._lost_at = -math.inf
        self._failure = ""  # why there is no next connection, while there is none
        self._sockets: set[_Socket] = set()
        self._is_opening = False
        self._renewed = asyncio.Event()
        """Set while the newest connection, and the next try, are not with the token in use."""
        self._leaving: list[asyncio.Task[None]] = []  # closes connections that are given up
        self._task: asyncio.Task[None] | None = None
        self._first = asyncio.Event()
        """Set when the first try has had its outcome."""
        self.connects = 0
        """Connections that had their hello."""
        self.endings: dict[str, int] = {}
        """Connections that had to be replaced, by reason."""
        self.failures = {"refused": 0, "unreachable": 0, "failed": 0}
        """Tries that led to no connection: the upstream refuses the app, it cannot be reached, or the link failed."""
        self.requests: Mapping[int, int] = {}
        """Empty over Socket Mode; see ``EventReceiver``, which takes the place of a link."""
        self.condition = Condition()

    @property
    def is_up(self) -> bool:
        """Whether a connection has its hello and has not ended."""
        return any(socket.is_greeted for socket in self._sockets)

    @property
    def connections(self) -> int:
        """Open connections: one, and two while one takes the place of the other."""
        return len(self._sockets)

    async def start(self) -> None:
        """Begin to connect, and wait a while for the first hello. Without it, the link is a fault until it comes."""
        self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(FIRST_PATIENCE):
                await self._first.wait()
        except TimeoutError:
            self._health.fault(FAULT, f"no connection to {self._api.host} yet")

    async def renew(self, app_token: Token) -> None:
        """Go on with another app-level token: a connection with it is opened before the one with the old token ends.

        Raises:
            RefusedError, UpstreamError: the upstream does not take it; the old one stays in use.
        """
        await self._api.read(OPEN, app_token)
        self._app_token = app_token
        self._renewed.set()

    async def stop(self) -> None:
        """Close the connections."""
        self._merge.drop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        closing = (socket.close() for socket in list(self._sockets))
        await asyncio.gather(*self._leaving, *closing, return_exceptions=True)

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
                self.condition.failed(why)
                pause = REFUSED_PAUSE if isinstance(error, RefusedError) else _backoff(failures)
                self._failure = f"{why}; the next try is in {pause:.1f} s"
                if not self.is_up:
                    self._health.fault(FAULT, self._failure)
                log.warning("no connection to %s: %s; the next try is in %.1f s", self._api.host, why, pause)
            except Exception:
                failures += 1
                self.failures["failed"] += 1
                self.condition.failed("the link failed: the log has the reason")
                pause = _backoff(failures)
                log.exception("the link to %s failed; the next try is in %.1f s", self._api.host, pause)
            else:
                failures, self._failure = 0, ""
                self._health.clear(FAULT)
                self._first.set()
                self._retire_others(socket)
                opened = monotonic()
                why = await self._replaced(socket)
                self.endings[why] = self.endings.get(why, 0) + 1
                log.info("the connection to %s is replaced: %s", self._api.host, why)
                briefs = briefs + 1 if why not in ("lost", RENEWED) and monotonic() - opened < BRIEF else 0
                pause = self._pause_after(why, briefs)
                if why == "link_disabled":
                    self._failure = "Socket Mode is switched off at the upstream: switch it on in the app's settings"
                    self._health.fault(FAULT, self._failure)
            self._first.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._renewed.wait()

    async def _replaced(self, socket: "_Socket") -> str:
        """Wait until another connection is needed; return the reason."""
        renewed, replaced = asyncio.create_task(self._renewed.wait()), asyncio.create_task(socket.replaced())
        try:
            await asyncio.wait((renewed, replaced), return_when=asyncio.FIRST_COMPLETED)
            return replaced.result() if replaced.done() else RENEWED
        finally:
            renewed.cancel()
            replaced.cancel()

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
        if self._leaving:  # else the upstream sends events on them still
            await asyncio.wait(self._leaving)  # gather would cancel them with the link, while ``stop`` waits for them
        self._leaving.clear()
        self._renewed.clear()
        answer = await self._api.read(OPEN, self._app_token)
        url = answer.text("url")
        if not is_of_host(url, self._api.host):
            raise UpstreamError("the URL of apps.connections.open leads to another host", was_sent=True)
        if self.is_up:
            self._merge.hold()  # the upstream may send on the next one before its hello is read here
        self._is_opening = True
        try:
            return await self._dial(url)
        finally:
            self._is_opening = False
            self._settle_soon()

    async def _dial(self, url: str) -> "_Socket":
        ws = await self._api.dial(
            url, heartbeat=HEARTBEAT, max_msg_size=MAX_FRAME, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_PATIENCE)
        )
        socket = _Socket(ws, self)
        self._sockets.add(socket)
        try:
            async with asyncio.timeout(HELLO_TIMEOUT):
                await socket.greeted()
            if self._leaving:
                raise UpstreamError(  # noqa: TRY301 - closed like one without hello
                    "an older connection was lost meanwhile, and events with it", was_sent=True
                )
        except BaseException:
            await socket.close()
            raise
        self.connects += 1
        log.info("connected to %s", self._api.host)
        return socket

    def greet(self, *, keeps_events: bool) -> None:
        """Called before a connection counts as greeted."""
        now = self.condition.greeted_at = monotonic()
        if not self.is_up:
            self.condition.up_at = now
            self._came_up(0.0 if keeps_events else now - self._lost_at)

    def _retire_others(self, current: "_Socket") -> None:
        """End the older connections in order: what is on its way on them still comes."""
        for socket in self._sockets - {current}:
            socket.retire()

    def take(self, socket: "_Socket", payload: bytes, acknowledge: Acknowledge) -> None:
        """Called with the payload of each event."""
        self._merge.take(id(socket), payload, acknowledge)
        if self._merge.is_full:
            self._start_again()

    def ended(self, socket: "_Socket") -> None:
        """Called with each connection that has ended."""
        self._sockets.discard(socket)
        if socket.was_greeted and not self.is_up:
            self._lost_at = -math.inf if socket.was_silent else monotonic()
            if self._failure:  # the next one could not be opened while this one still was
                self._health.fault(FAULT, self._failure)
        if not self._merge.is_holding:
            return
        if socket.ended_in_order:
            self._settle_soon()
        else:
            self._start_again(socket)

    def _settle_soon(self) -> None:
        """Settle when the upstream has had time to send again what it sent behind its Close frame."""
        asyncio.get_running_loop().call_later(SETTLE, self._settle)

    def _settle(self) -> None:
        """Pass on what is held once there is one connection, and no other is being opened."""
        if self._merge.is_holding and not self._is_opening and len(self._sockets) < 2:
            self._merge.release()

    def _start_again(self, *ended: "_Socket") -> None:
        """Give up all connections and what is held of their events: the upstream sends it again on the next one."""
        self._merge.drop()
        if self._is_opening:
            self._merge.hold()  # what comes on the one that is being opened is dropped as well
        for socket in (*ended, *self._sockets):
            socket.give_up()
            self._leaving.append(asyncio.create_task(socket.close()))


class _Socket:
    """One connection of the link: it reads in a task of its own until it ends."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, link: Link) -> None:
        self._ws = ws
        self._link = link
        self._hello: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._replaced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._acks: asyncio.Queue[str] = asyncio.Queue()  # no longer than the events that were received
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        self._closing: asyncio.Task[None] | None = None
        self.is_greeted = False
        """Whether hello has come, and the connection has not ended."""
        self.was_greeted = False
        self.ended_in_order = False
        """Whether it ended with a Close frame: behind all that the upstream has sent on it."""

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

    def retire(self) -> None:
        """End it: ask the upstream to close it, and read until it does."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._retire())

    def give_up(self) -> None:
        """Read nothing more from it."""
        self._tasks[0].cancel()

    async def close(self) -> None:
        """Close it."""
        if self._closing is not None and self._closing is not asyncio.current_task():
            self._closing.cancel()
        with contextlib.suppress(Exception):
            # aiohttp's own timeout begins anew with each frame that comes.
            async with asyncio.timeout(CLOSE_PATIENCE):
                await self._ws.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _retire(self) -> None:
        with contextlib.suppress(ConnectionError, aiohttp.ClientError, RuntimeError):
            # Not close(): that reads and drops what comes before the answer.
            await self._ws.send_frame(struct.pack("!H", aiohttp.WSCloseCode.OK), aiohttp.WSMsgType.CLOSE)
        await asyncio.sleep(OVERLAP)
        await self.close()

    async def _read(self) -> None:
        try:
            while (message := await self._ws.receive()).type not in _ENDS:
                if message.type is aiohttp.WSMsgType.TEXT:
                    try:
                        self._take(message.data)
                    except Exception:
                        log.exception("a frame of the upstream was not taken; an event in it comes again")
            self.ended_in_order = message.type is aiohttp.WSMsgType.CLOSE
        finally:
            self.is_greeted = False
            self._link.ended(self)
            self._tasks[1].cancel()
            if not self._hello.done():
                self._hello.set_exception(UpstreamError("the connection ended before its hello", was_sent=True))
                self._hello.exception()  # seen: the link may have given up waiting
            self._replace("lost")

    async def _write(self) -> None:
        while True:
            envelope = await self._acks.get()
            if self._closing is not None:
                continue  # nothing may follow the Close frame: what it has sent comes again on the next connection
            with contextlib.suppress(ConnectionError, aiohttp.ClientError, RuntimeError):
                # A connection that has ended: the upstream sends the event again, and it is acknowledged then.
                await self._ws.send_str(f'{{"envelope_id":{msgspec.json.encode(envelope).decode()}}}')

    def _take(self, text: Any) -> None:
        try:
            envelope = decode(text)
        except (msgspec.MsgspecError, RecursionError):
            log.warning("a frame of the upstream cannot be read; it has %d characters", len(text))
            return
        match envelope.type:
            case "hello":
                if not self.was_greeted:
                    self._link.greet(keeps_events=keeps_events(envelope))
                self.is_greeted = self.was_greeted = True
                if not self._hello.done():
                    self._hello.set_result(None)
            case "disconnect":
                # "warning" comes some seconds before "refresh_requested": either is the time for the next one.
                self._replace(envelope.reason if envelope.reason in REASONS else "other")
            case "events_api":
                self._link.take(self, bytes(envelope.payload), self._acknowledgement(envelope.envelope_id))
            case "app_rate_limited":  # documented without an envelope
                self._link.take(self, text.encode(), self._acknowledgement(envelope.envelope_id))
            case _ if envelope.envelope_id:
                # Interactions and slash commands: RTM has nothing like them, and a person must not see an error.
                self._acks.put_nowait(envelope.envelope_id)

    def _acknowledgement(self, envelope: str) -> Acknowledge:
        def acknowledge() -> None:
            if envelope:
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
