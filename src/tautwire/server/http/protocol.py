"""Uvicorn's HTTP protocol with limits: on heads, on what waits, and on every kind of waiting.

Uvicorn's own protocol takes a head of any length for any time, and appends to it in quadratic time. This subclass
feeds its parser in small steps and counts. It relies on the protocol's attributes (``parser``, ``cycle``,
``pipeline``), which tests/server/test_http_limits.py holds.
"""

import asyncio
import contextlib
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tautwire.server.http.connections import Connection, Connections, Phase
from tautwire.server.http.forwarded import Forwarded
from tautwire.server.http.responses import refusal
from tautwire.server.http.websocket import ListenerFactory, WebSocket, fits

MAX_HEAD: Final = 65_536
"""Bytes of request line and headers."""
MAX_HEADERS: Final = 500
MAX_PIPELINED: Final = 16
"""Requests that may wait for the answer to one before them."""
MAX_DRAINED: Final = 8_388_608
"""Bytes of a body that are read and dropped after the answer, for the sake of the next request."""
MAX_DROPPED: Final = 262_144
"""Bytes that are read and dropped from a peer that was refused, so that it gets to see why."""
STEP: Final = 16_384
"""Bytes that the parser gets at once: what has to be counted cannot grow by more between two looks."""


class HttpProtocol(HttpToolsProtocol):
    """One HTTP connection, from its first request that the front does not answer."""

    def __init__(
        self, connections: Connections, listener: ListenerFactory, forwarded: Forwarded, **options: Any
    ) -> None:
        super().__init__(**options)
        self.address: str | None = None
        self.phase: Phase | None = None
        self._room = connections
        self._listener = listener
        self._forwarded = forwarded
        self._in_head = False
        self._head_size = 0
        """Bytes of the head, without those of the first step, of which some may belong to the request before."""
        self._held = 0
        """Bytes of the incomplete head that are counted with those of all connections."""
        self._drained = 0
        self._is_deaf = False
        """Whether what the peer sends is ignored: there was something wrong with it."""
        self._running: RequestResponseCycle | None = None
        self._refusal: tuple[int, str] | None = None

    def data_received(self, data: bytes) -> None:
        """Parse, and look after each step whether a limit was passed."""
        if self._is_deaf:
            return
        for start in range(0, len(data), STEP):
            step = data[start : start + STEP]
            was_in_head = self._in_head
            try:
                self.parser.feed_data(step)
            except httptools.HttpParserUpgrade as upgrade:
                if self._should_upgrade():
                    self._upgrade(step[upgrade.args[0] :] + data[start + STEP :])
                    return
            except httptools.HttpParserError:
                self._refuse(*(self._refusal or (400, "invalid_http")))
                return
            if self._in_head:
                self._head_size += len(step) if was_in_head else 0
                if self._head_size > MAX_HEAD:
                    self._refuse(431, "request_header_fields_too_large")
                    return
                self._held += len(step)
                self._room.hold(len(step))  # which may end this connection
            if self._is_deaf or self.transport.is_closing():
                return

    def eof_received(self) -> None:
        """The peer is gone, or will not read: the transport closes, and takes no answer any more."""
        self._abandon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no more, and leave no timer and no cycle of references behind."""
        self._room.leave(self)
        self._release()
        self._unset_keepalive_if_required()
        self._abandon()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer does not read its answer."""
        super().pause_writing()
        self._room.wait(self, Phase.STALLED)

    def resume_writing(self) -> None:
        """It goes on reading."""
        super().resume_writing()
        if self.phase is Phase.STALLED:
            self._room.proceed(self)
            if not self._is_busy:
                self._await_next()
            elif self._in_head:
                self._room.wait(self, Phase.HEAD)

    def expire(self, phase: Phase) -> None:
        """End the connection; see ``Connections``."""
        if phase is Phase.STALLED:
            self.transport.abort()
        elif phase is Phase.HEAD and self._in_head:
            self._refuse(408, "request_timeout")
        else:
            self.transport.close()

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0
        if self.phase is not Phase.STALLED:
            self._room.wait(self, Phase.HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is complete."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._give_up(431, "request_header_fields_too_large")

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._in_head = False
        self._release()
        if self._head_size > MAX_HEAD - 2 * STEP and self._exact_head_size() > MAX_HEAD:
            self._give_up(431, "request_header_fields_too_large")
        if len(self.pipeline) >= MAX_PIPELINED:
            self._give_up(400, "too_many_pipelined_requests")
        if self.phase is Phase.HEAD:
            self._room.proceed(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body has come."""
        super().on_body(body)
        if self.cycle is not None and self.cycle.response_complete:
            self._drained += len(body)
            if self._drained > MAX_DRAINED:
                self.transport.close()

    def on_message_complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self.cycle.more_body = False
            self._await_next()

    def on_response_complete(self) -> None:
        """An answer is complete. Uvicorn's timer for the next request is replaced by ours."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._drained = 0
        if not self.transport.is_closing() and not self._is_busy and self.phase is None:
            self._await_next()

    @property
    def _is_busy(self) -> bool:
        """Whether a request is being answered. Others may wait behind it."""
        return self._running is not None and not self._running.response_complete

    def _release(self) -> None:
        self._room.release(self._held)
        self._held = 0

    def _abandon(self) -> None:
        """Tell the running request that the peer is gone; uvicorn tells the last one, which may wait behind it."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _await_next(self) -> None:
        if self.phase is Phase.STALLED:
            return
        if self._in_head:
            phase = Phase.HEAD
        elif self.cycle is not None and self.cycle.more_body:
            phase = Phase.DRAIN
        else:
            phase = Phase.IDLE
        self._room.wait(self, phase)

    def _exact_head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _give_up(self, status: int, error: str) -> None:
        """Stop the parser from one of its callbacks; ``data_received`` then refuses the request."""
        self._refusal = status, error
        raise ValueError(error)

    def _refuse(self, status: int, error: str) -> None:
        """Answer what is no request that can be served, if no other answer is under way, and end the connection."""
        if self._is_deaf or self.transport.is_closing():
            return
        self._is_deaf = True
        self._release()
        if self._running is not None and not self._running.response_complete:
            self._running.keep_alive = False  # the answer that is under way is the last one
            return
        say_farewell(self, self.transport, self._room, self.server_state, status, error)
        self.parser = cast("Any", None)  # the parser refers to us

    def _upgrade(self, rest: bytes) -> None:
        """Let picows have the socket. ``rest`` is what the peer has sent behind its request."""
        target, headers, transport = self.url, self.headers, self.transport
        client = self._forwarded.client(self.client[0] if self.client else "", headers)
        if not fits(target, headers):
            self._refuse(431, "request_header_fields_too_large")
        elif not self._room.settle(self, client):
            self._refuse(503, "service_unavailable")
        else:
            self.connections.discard(self)
            self._release()
            socket = WebSocket(self._listener, self._room)
            self._room.move(self, socket)
            self.parser = cast("Any", None)
            socket.open(transport, target, headers)
            if rest and not transport.is_closing():
                socket.feed(rest)


def say_farewell(
    old: Connection, transport: asyncio.Transport, room: Connections, server_state: Any, status: int, error: str
) -> None:
    """Write the last answer on a connection, count it, and see to its end."""
    room.counts.answers[status, error] += 1
    transport.write(refusal(status, error, server_state.default_headers))
    if not room.takes_farewells:
        transport.close()
        return
    farewell = Farewell(transport, room, server_state)
    server_state.connections.discard(old)
    server_state.connections.add(farewell)
    room.move(old, farewell)
    transport.set_protocol(farewell)
    with contextlib.suppress(OSError, RuntimeError):  # the peer may be gone
        transport.write_eof()
    room.wait(farewell, Phase.FAREWELL)


class Farewell(asyncio.Protocol):
    """The end of a refused connection: its answer is written, and what the peer still sends is dropped.

    Closing at once would reset the connection while the peer is writing, and it would not see why.
    """

    def __init__(self, transport: asyncio.Transport, room: Connections, server_state: Any) -> None:
        self.address: str | None = None
        self.phase: Phase | None = None
        self._transport = transport
        self._room = room
        self._state = server_state
        self._left = MAX_DROPPED

    def data_received(self, data: bytes) -> None:
        """Drop what comes, up to a limit."""
        self._left -= len(data)
        if self._left < 0:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no more."""
        self._room.leave(self)
        self._state.connections.discard(self)

    def shutdown(self) -> None:
        """The server stops."""
        self._transport.close()

    def expire(self, phase: Phase) -> None:
        """Wait no longer."""
        self._transport.abort()


def peer_address(transport: asyncio.BaseTransport) -> str:
    """Return the address of the peer of a socket, empty if it is gone already."""
    address = transport.get_extra_info("peername")
    return address[0] if address else ""
