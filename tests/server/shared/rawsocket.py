"""A WebSocket client that sends any bytes it is given, and takes only the plain frames that the server may send."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

from tautwire.testing.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame_bytes,
    read_frame,
    upgrade_request,
)

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "PING", "PONG", "TEXT", "RawSocket", "frame"]


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True, first: int = 0) -> bytes:
    """Return a frame; ``first`` is or-ed to its first byte."""
    return frame_bytes(opcode, payload, final=fin, key=os.urandom(4) if masked else None, reserved=first)


class RawSocket:
    """The bytes of one upgraded connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @asynccontextmanager
    async def dialled(
        cls, url: str, *, buffer: int | None = None, hello: bool = True, early: bytes = b""
    ) -> AsyncIterator[Self]:
        """Dial a URL.

        ``buffer`` is the size of the socket's receive buffer, for a peer that will not read; ``early`` is sent with the
        upgrade request.
        """
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=buffer or 65_536)
        writer.write(upgrade_request(parts.path, parts.netloc) + early)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        socket = cls(reader, writer)
        if hello:
            assert await socket.read() == (TEXT, b'{"type":"hello"}')
        try:
            yield socket
        finally:
            writer.transport.abort()

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the system has taken what was written."""
        await self._writer.drain()

    def hang_up(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()

    async def read(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame; raise ``IncompleteReadError`` at the end of the stream."""
        async with asyncio.timeout(10):
            read = await read_frame(self._reader)
        assert read.is_plain, f"what the server sends is never fragmented, extended or masked: {read.raw[:14]!r}"
        return read.opcode, read.payload

    async def closed(self) -> int | None:
        """Read to the end of the stream; return the code of the Close, None if there was none."""
        code = None
        try:
            while True:
                opcode, payload = await self.read()
                if opcode == CLOSE:
                    assert code is None, "a Close is sent once"
                    code = int.from_bytes(payload[:2])
                    self.write(frame(payload[:2], CLOSE))
                else:
                    assert code is None, "nothing comes after a Close"
        except (asyncio.IncompleteReadError, ConnectionError):
            return code
