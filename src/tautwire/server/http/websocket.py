"""How a WebSocket leaves the HTTP server: the request was read here, picows gets the socket.

This is the only module that uses the constructor of picows' ``WSProtocol``, which is not documented: picows is
therefore pinned below 2.4, and contract tests hold it. Why one port and why picows: docs/adr/0001-libraries.md.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any, Final

from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from tautwire.server.http.connections import Connections, Phase

MAX_MESSAGE: Final = 65_536
"""Bytes of one WebSocket frame; above it picows closes. The session's own limit is 16 kB."""
READ_BUFFER: Final = 2_048
MAX_TARGET: Final = 8_192
"""Bytes of the path and query of an upgrade request. picows drops, without an answer, a head over 16 kB."""

_PASSED_ON: Final = frozenset(
    (b"upgrade", b"sec-websocket-version", b"sec-websocket-key", b"content-length", b"transfer-encoding")
)
"""The headers that picows looks at. It keeps all it is given for as long as the connection lives."""
MAX_HEADER: Final = 1_024
"""Bytes of the value of such a header."""

ListenerFactory = Callable[[WSUpgradeRequest], WSListener | None]


class _QuietLogger(logging.LoggerAdapter[logging.Logger]):
    """picows logs request lines, which hold tickets, and makes a logger per connection out of a plain one."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name is logging's
        return level >= logging.ERROR

    def error(self, msg: object, *args: object, **options: Any) -> None:
        """Log an error of ours; a peer that breaks the rules of WebSocket is not an error of ours."""
        level = logging.INFO if str(msg).startswith("WS parser error") else logging.ERROR
        self.logger.log(level, msg, *args, **options)


_quiet: Final = _QuietLogger(logging.getLogger("tautwire.server.rtm.socket"), {})


class _OpeningTransport:
    """The transport as picows gets it, which spares it the slow calls of an opening.

    - picows sets socket options that the loop has set already, and reads some for a log line that is not wanted: eight
      calls, which here have no effect.
    - The answer to the upgrade waits for the first frame, which is hello a turn of the loop later: one write to the
      socket instead of two, a tenth of what a connection costs. Frames of picows' own come behind it too, since it
      writes past the transport only if ``get_write_buffer_size`` is 0.
    """

    __slots__ = ("_held", "_is_made", "_transport", "write")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._held = b""
        self._is_made = False
        self.write: Callable[[bytes], None] = self._hold

    def made(self) -> None:
        """From now on hide no socket option."""
        self._is_made = True

    def flush(self, data: bytes = b"") -> None:
        """Write what is held, and from now on hold nothing."""
        self.write = self._transport.write
        held, self._held = self._held, b""
        if (held or data) and not self._transport.is_closing():
            self._transport.write(held + data)

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait to be written."""
        return len(self._held) + self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the socket and the like."""
        if self._is_made:
            return self._transport.get_extra_info(name, default)
        return _BareSocket(self._transport) if name == "socket" else default

    def close(self) -> None:
        """Write what is held, and close."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Write what is held, which says that this is no HTTP any more, and close without waiting."""
        self.flush()
        self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _hold(self, data: bytes) -> None:
        if self._held:
            self.flush(data)
        elif self.write == self._hold:
            self._held = bytes(data)
        else:  # picows remembers this function for its own frames
            self._transport.write(data)


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
        listener: makes the listener for a request, None for 404.
    """

    __slots__ = ("_connections", "address", "phase")

    def __init__(self, listener: ListenerFactory, connections: Connections) -> None:
        super().__init__(
            None, None, False, listener, _quiet, True,
            None,  # no time limit for the handshake: the request is complete, so it is over when open() returns
            False, 10.0, 10.0, WSAutoPingStrategy.PING_WHEN_IDLE, False,
            MAX_MESSAGE, None, READ_BUFFER,
        )  # fmt: skip
        self._connections = connections
        self.address: str | None = None
        self.phase: Phase | None = None

    def open(self, transport: asyncio.Transport, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take a socket over and answer the upgrade request that was read from it.

        Browsers and proxies write more than ``Upgrade`` into the Connection header, which picows does not understand;
        the caller has understood it.

        Args:
            headers: their names in lower case.
        """
        lines = [b"GET %s HTTP/1.1\r\nconnection: Upgrade\r\n" % target]
        lines += (b"%s: %s\r\n" % (name, value) for name, value in headers if name in _PASSED_ON)
        lines.append(b"\r\n")
        opening = _OpeningTransport(transport)
        self.connection_made(opening)
        opening.made()
        transport.set_protocol(self)
        self.feed(b"".join(lines))
        asyncio.get_running_loop().call_soon(opening.flush)  # if there is no hello yet

    def feed(self, data: bytes) -> None:
        """Take bytes that were read by another protocol."""
        rest = memoryview(data)
        while rest:  # the read buffer starts small and grows as it fills
            buffer = self.get_buffer(len(rest))
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            rest = rest[size:]
            self.buffer_updated(size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no more."""
        self._connections.leave(self)
        super().connection_lost(exc)

    def expire(self, phase: Phase) -> None:
        """End the connection. The RTM door decides how long a WebSocket lives: here it waits for nothing."""
        self.transport.disconnect(False)


def fits(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether an upgrade request is small enough for picows."""
    return len(target) <= MAX_TARGET and all(len(value) <= MAX_HEADER for name, value in headers if name in _PASSED_ON)
