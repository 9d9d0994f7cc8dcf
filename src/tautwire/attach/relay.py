"""Bytes between two connections: what one side sends is written to the other, at the pace of the slower one."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, Self, cast

BUFFER: Final = 65_536
"""Bytes that may wait in one direction; then the other side is not read."""
FAREWELL: Final = 10.0
"""Seconds that a side has to read its last bytes after the other side has ended."""

Watch = Callable[[bytes], None]
"""Called with bytes as they are read."""


class Side(asyncio.Protocol):
    """One of the two connections. It reads nothing until it is joined.

    Args:
        left: bytes that are passed on at most, further ones are dropped; None for all.
        watch: called with what is read, before it is passed on.
        failed: called with the error of TLS that ended the connection.
    """

    def __init__(
        self, left: int | None = None, watch: Watch | None = None, failed: Callable[[ssl.SSLError], None] | None = None
    ) -> None:
        self.transport: asyncio.Transport
        self.ended = asyncio.get_running_loop().create_future()
        """Done when the connection is closed."""
        self._other: Self | None = None
        self._early = b""
        self._is_done = False
        """Whether the peer sends no more."""
        self._left = left
        self._watch = watch
        self._failed = failed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the other side."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=BUFFER)
        self.transport.pause_reading()
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def join(self, other: Self) -> None:
        """Begin to pass on what is read."""
        self._other = other
        early, self._early = self._early, b""
        if early:
            self.data_received(early)
        if self.transport.is_closing():
            close(other.transport)
        elif not self._is_done:
            self.transport.resume_reading()
        elif not self._pass_end():
            close(self.transport)

    def data_received(self, data: bytes) -> None:
        """Pass on bytes."""
        if self._other is None:  # uvloop reads once more after a pause in connection_made
            self._early += data
            self.transport.pause_reading()
            return
        if self._watch is not None:
            self._watch(data)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            self._other.transport.write(data)

    def eof_received(self) -> bool:
        """Called at the end of one direction; return whether the other one goes on, which TLS cannot do."""
        self._is_done = True
        return self._halves if self._other is None else self._pass_end()

    def _pass_end(self) -> bool:
        other = self._other
        if other is None or other._is_done or not (self._halves and other._halves):  # noqa: SLF001 - it is one of us
            return False  # closes this side, and that closes the other
        other.transport.write_eof()
        return True

    @property
    def _halves(self) -> bool:
        return not self.transport.is_closing() and self.transport.can_write_eof()

    def pause_writing(self) -> None:
        """Called when this side does not read what it gets: the other is not read."""
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Called when it reads again."""
        if self._other is not None and not self._other.transport.is_closing():
            self._other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other side too, after what it has still to get."""
        if not self.ended.done():
            self.ended.set_result(None)
        if self._failed is not None and isinstance(exc, ssl.SSLError):
            self._failed(exc)
        if self._other is not None and not self._other.ended.done():
            close(self._other.transport)


def close(transport: asyncio.Transport) -> None:
    """Close a connection; if the peer does not read its last bytes in time, drop them."""
    transport.close()
    asyncio.get_running_loop().call_later(FAREWELL, transport.abort)


async def relay(near: Side, far: Side) -> None:
    """Pass bytes between two connections until both are closed; a cancelled call drops both."""
    try:
        near.join(far)
        far.join(near)
        await asyncio.wait((near.ended, far.ended))
    finally:
        for side in (near, far):
            if not side.ended.done():
                side.transport.abort()
