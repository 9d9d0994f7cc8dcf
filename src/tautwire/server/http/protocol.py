"""Uvicorn's HTTP protocol with limits: on the size of heads, on queued requests, and on every kind of waiting.

Uvicorn's own protocol accepts a head of any length for any time, and appends to it in quadratic time. This subclass
feeds the parser in small steps and counts after each. It depends on attributes of the base class (``parser``,
``cycle``, ``pipeline``) that are not documented; tests/server/http/test_http_limits.py fails if an update changes them.
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
"""Requests that may wait for the response to an earlier one."""
MAX_DRAINED: Final = 8_388_608
"""Bytes of a body that are read and dropped after the response, to reach the next request."""
MAX_DROPPED: Final = 262_144
"""Bytes that are read and dropped from a refused peer, so that it can read the response."""
STEP: Final = 16_384
"""Bytes given to the parser at once: between two checks, counted sizes grow by no more."""


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
        """Bytes of the head without those of the first step, some of which may belong to the request before."""
        self._held = 0
        """Bytes of the incomplete head that ``Connections`` counts."""
        self._drained = 0
        self._is_deaf = False
        """Whether further bytes of the peer are ignored: its request was refused."""
        self._running: RequestResponseCycle | None = None
        self._refusal: tuple[int, str] | None = None
        self._ignores_upgrade = False
        """Whether the request at hand asks for a protocol that is not served here, and is parsed anew without that."""

    def data_received(self, data: bytes) -> None:
        """Parse in steps, and check the limits after each."""
        if self._is_deaf:
            return
        for start in range(0, len(data), STEP):
            step = data[start : start + STEP]
            was_in_head = self._in_head
            try:
                self._parse(step)
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
                self._room.hold(len(step))  # may close this very connection
            if self._is_deaf or self.transport.is_closing():
                return

    def _parse(self, data: bytes) -> None:
        """Feed the parser, and ignore upgrades to other protocols than WebSocket, as RFC 9110, section 7.8, allows.

        The HTTP client of Java asks for h2c with its first request, which may have a body. The parser reads no body
        behind the head of an upgrade, so such a head is parsed once more, without the header.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._ignores_upgrade:
                    raise
                self._ignores_upgrade = False
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the base class does
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def eof_received(self) -> None:
        """Called when the peer has closed its side: asyncio closes the transport, so no response can follow."""
        self._abandon()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection, and leave no timer and no cycle of references behind."""
        self._room.leave(self)
        self._release()
        self._unset_keepalive_if_required()
        self._abandon()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when the peer does not read its response."""
        super().pause_writing()
        self._room.wait(self, Phase.STALLED)

    def resume_writing(self) -> None:
        """Called when the peer reads again."""
        super().resume_writing()
        if self.phase is Phase.STALLED:
            self._room.proceed(self)
            if not self._is_busy:
                self._await_next()
            elif self._in_head:
                self._room.wait(self, Phase.HEAD)

    def expire(self, phase: Phase) -> None:
        """Close the connection; see ``Connections``."""
        if phase is Phase.STALLED:
            self.transport.abort()
        elif phase is Phase.HEAD and self._in_head:
            self._refuse(408, "request_timeout")
        else:
            self.transport.close()

    # The parser calls the methods that follow.

    def on_message_begin(self) -> None:
        """Called when a request begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_size = 0
        if self.phase is not Phase.STALLED:
            self._room.wait(self, Phase.HEAD)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called when a header is complete."""
        super().on_header(name, value)
        if len(self.headers) > MAX_HEADERS:
            self._give_up(431, "request_header_fields_too_large")

    def on_headers_complete(self) -> None:
        """Called when the head is complete."""
        self._in_head = False
        self._release()
        if self._head_size > MAX_HEAD - 2 * STEP and self._exact_head_size() > MAX_HEAD:
            self._give_up(431, "request_header_fields_too_large")
        if len(self.pipeline) >= MAX_PIPELINED:
            self._give_up(400, "too_many_pipelined_requests")
        if self.phase is Phase.HEAD:
            self._room.proceed(self)
        self._ignores_upgrade = (
            self.parser.should_upgrade()
            and not self._should_upgrade()
            and any(name == b"upgrade" for name, _ in self.headers)
        )
        if not self._ignores_upgrade:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called with a piece of a body."""
        super().on_body(body)
        if self.cycle is not None and self.cycle.response_complete:
            self._drained += len(body)
            if self._drained > MAX_DRAINED:
                self.transport.close()

    def on_message_complete(self) -> None:
        """Called when a request is complete."""
        if self._ignores_upgrade:
            return
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete:
            self.cycle.more_body = False
            self._await_next()

    def on_response_complete(self) -> None:
        """Called when a response is complete. Our timer for the next request replaces uvicorn's."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self._drained = 0
        if not self.transport.is_closing() and not self._is_busy and self.phase is None:
            self._await_next()

    @property
    def _is_busy(self) -> bool:
        """Whether a request is being answered. Further requests may wait behind it."""
        return self._running is not None and not self._running.response_complete

    def _release(self) -> None:
        self._room.release(self._held)
        self._held = 0

    def _abandon(self) -> None:
        """Mark the running request as disconnected. Uvicorn marks the last one, which may still wait behind it."""
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
        """Stop the parser from within a callback; ``data_received`` then refuses the request.

        httptools stops only for an exception, and wraps it: the reason is kept in an attribute.
        """
        self._refusal = status, error
        raise ValueError(error)

    def _refuse(self, status: int, error: str) -> None:
        """Answer a request that cannot be served, unless another response is incomplete, and end the connection."""
        if self._is_deaf or self.transport.is_closing():
            return
        self._is_deaf = True
        self._release()
        if self._running is not None and not self._running.response_complete:
            self._running.keep_alive = False  # the response in progress is the last one
            return
        say_farewell(self, self.transport, self._room, self.server_state, status, error)
        self.parser = cast("Any", None)  # breaks the cycle: the parser refers to this protocol

    def _upgrade(self, rest: bytes) -> None:
        """Pass the socket to picows. ``rest`` are the bytes that followed the request."""
        target, headers, transport = self.url, self.headers, self.transport
        client = self._forwarded.client(self.client[0] if self.client else "", headers)
        if not fits(target, headers):
            self._refuse(431, "request_header_fields_too_large")
        elif not self._room.settle(self, client):
            self._refuse(503, "service_unavailable")
        else:
            self.connections.discard(self)
            self._release()
            socket = WebSocket(self._listener, self._room, target)
            self._room.move(self, socket)
            self.parser = cast("Any", None)
            socket.open(transport, target, headers)
            if rest and not transport.is_closing():
                socket.feed(rest)


def say_farewell(
    old: Connection, transport: asyncio.Transport, room: Connections, server_state: Any, status: int, error: str
) -> None:
    """Write the last response of a connection, count it, and close the connection when the peer has read it."""
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
    """The last protocol of a refused connection: the response is written, further bytes are read and dropped.

    To close a socket with unread bytes resets the connection, and a peer that is still writing would lose the response.
    """

    def __init__(self, transport: asyncio.Transport, room: Connections, server_state: Any) -> None:
        self.address: str | None = None
        self.phase: Phase | None = None
        self._transport = transport
        self._room = room
        self._state = server_state
        self._left = MAX_DROPPED

    def data_received(self, data: bytes) -> None:
        """Drop bytes, up to a limit."""
        self._left -= len(data)
        if self._left < 0:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._room.leave(self)
        self._state.connections.discard(self)

    def shutdown(self) -> None:
        """Called when the server stops."""
        self._transport.close()

    def expire(self, phase: Phase) -> None:
        """Drop the connection: the peer did not close it in time."""
        self._transport.abort()


def peer_address(transport: asyncio.BaseTransport) -> str:
    """Return the address of the peer of a socket, empty if the connection is already lost."""
    address = transport.get_extra_info("peername")
    return address[0] if address else ""
