"""The change from HTTP to WebSocket: this room reads the upgrade request, picows gets the socket.

picows expects to read the request itself. So it gets a short request made from the headers it uses, and the answer goes
out with the first frame. This is the only module that uses the constructor of picows' ``WSProtocol``, which is not
documented: picows is pinned below 2.4, and contract tests fail if it changes. Why one port and why picows:
docs/adr/0001-libraries.md.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from tautwire.server.http.connections import Connections, Phase
from tautwire.server.services.access.tickets import LINK_PATH
from tautwire.server.services.interactivity.requests import MAX_ACK

MAX_MESSAGE: Final = 65_536
"""Bytes of one WebSocket frame; above it picows closes the connection. The session's own limit is 16 kB. In Socket
Mode the limit is ``MAX_ACK``: the answer of an app may be a view."""
_LINKS: Final = LINK_PATH.encode()
READ_BUFFER: Final = 2_048
MAX_TARGET: Final = 8_192
"""Bytes of the path and query of an upgrade request. picows drops, without an answer, a head over 16 kB."""

_PASSED_ON: Final = frozenset(
    (b"upgrade", b"sec-websocket-version", b"sec-websocket-key", b"content-length", b"transfer-encoding")
)
"""The headers that picows reads. Others are left out: picows keeps the request as long as the connection lives."""
MAX_HEADER: Final = 1_024
"""Bytes of the value of such a header."""
MAX_PROGRAM: Final = 120
"""Bytes that are passed on of User-Agent, which says what program a connection is of."""

ListenerFactory = Callable[[WSUpgradeRequest], WSListener | None]


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """Hides picows' lines about requests, which contain tickets.

    picows makes a logger for each connection out of a plain logger, but takes an adapter as it is.
    """

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name is logging's
        return level >= logging.ERROR

    def error(self, msg: object, *args: object, **options: Any) -> None:
        """Log an error of the server; a peer that breaks the rules of WebSocket is logged as information."""
        level = logging.INFO if str(msg).startswith("WS parser error") else logging.ERROR
        self.logger.log(level, msg, *args, **options)


_quiet: Final = _QuietLogger(logging.getLogger("tautwire.server.sockets"), {})


class _OpeningTransport:
    """The transport that picows gets: it leaves out the slow calls of an opening.

    - picows sets socket options that the loop has set already, and reads others for a log line that is not written:
      eight system calls, which have no effect here.
    - The response to the upgrade is held until the first frame, which is hello in the next turn of the loop: one write
      to the socket instead of two saves a tenth of the cost of a connection. picows' own frames come after it as well,
      since picows writes to the socket directly only if ``get_write_buffer_size`` is 0.
    """

    __slots__ = ("_held", "_is_flushed", "_is_made", "_transport", "write")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""
        self._is_made = False
        self._is_flushed = False
        self.write: Callable[[bytes], None] = self._hold

    def made(self) -> None:
        """End the opening: from now on the socket's options are real."""
        self._is_made = True

    def flush(self, data: bytes = b"") -> None:
        """Write the held bytes, and from now on hold nothing."""
        self.write = self._transport.write
        self._is_flushed = True
        held, self._held = self._held, b""
        if (held or data) and not self._transport.is_closing():
            self._transport.write(held + data)

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that wait to be written."""
        return len(self._held) + self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return an item such as the socket."""
        if self._is_made:
            return self._transport.get_extra_info(name, default)
        return _BareSocket(self._transport) if name == "socket" else default

    def close(self) -> None:
        """Write the held bytes, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Write the held bytes, so that the peer sees the upgrade, and drop the connection."""
        self.flush()
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _hold(self, data: bytes) -> None:
        if self._is_flushed:  # picows keeps a reference to this function and calls it after the flush too
            self._transport.write(data)
        elif self._held:
            self.flush(data)
        else:
            self._held = bytes(data)


class _BareSocket:
    __slots__ = ("fileno",)

    def __init__(self, transport: asyncio.Transport) -> None:
        self.fileno = transport.get_extra_info("socket").fileno

    def setsockopt(self, *_: object) -> None:
        pass

    def getsockopt(self, *_: object) -> int:
        return 0


class WebSocket(WSProtocol):  # type: ignore[misc]
    """picows' protocol on a socket that was counted as a connection.

    Args:
        listener: returns the listener for a request, None for 404.
        target: the path and query of the request.
    """

    __slots__ = ("_connections", "address", "phase")

    def __init__(self, listener: ListenerFactory, connections: Connections, target: bytes) -> None:
        super().__init__(
            None, None, False, listener, _quiet, True,
            None,  # no time limit for the handshake: the request is complete, so open() ends it
            False, 10.0, 10.0, WSAutoPingStrategy.PING_WHEN_IDLE, False,
            MAX_ACK if target.startswith(_LINKS) else MAX_MESSAGE, None, READ_BUFFER,
        )  # fmt: skip
        self._connections = connections
        self.address: str | None = None
        self.phase: Phase | None = None

    def open(self, transport: asyncio.Transport, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take a socket over and answer the upgrade request that was read from it.

        The Connection header is written anew: browsers and proxies put more than ``Upgrade`` into it, which picows does
        not parse. The caller has checked it.

        Args:
            headers: their names in lower case.
        """
        lines = [b"GET %s HTTP/1.1\r\nconnection: Upgrade\r\n" % target]
        for name, value in headers:
            if name in _PASSED_ON:
                lines.append(b"%s: %s\r\n" % (name, value))
            elif name == b"user-agent":
                lines.append(b"user-agent: %s\r\n" % value[:MAX_PROGRAM])
        lines.append(b"\r\n")
        opening = _OpeningTransport(transport)
        self.connection_made(opening)
        opening.made()
        transport.set_protocol(self)
        self.feed(b"".join(lines))
        asyncio.get_running_loop().call_soon(opening.flush)  # in case hello does not come in this turn

    def feed(self, data: bytes) -> None:
        """Process bytes that another protocol has read."""
        rest = memoryview(data)
        while rest:  # the read buffer starts small and grows as it fills
            buffer = self.get_buffer(len(rest))
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            rest = rest[size:]
            self.buffer_updated(size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._connections.leave(self)
        super().connection_lost(exc)

    def expire(self, phase: Phase) -> None:
        """Close the connection. WebSockets never wait in ``Connections``; their door decides how long they live."""
        self.transport.disconnect(False)


def fits(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether an upgrade request is small enough for picows."""
    return len(target) <= MAX_TARGET and all(len(value) <= MAX_HEADER for name, value in headers if name in _PASSED_ON)
