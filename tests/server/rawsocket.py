"""A WebSocket client that sends whatever bytes it is told to."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, masked: bool = True, first: int = 0) -> bytes:
    """Return a frame; ``first`` is or-ed to its first byte."""
    size = len(payload)
    head = bytes([(0x80 if fin else 0) | opcode | first])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += bytes([bit | 126]) + size.to_bytes(2)
    else:
        head += bytes([bit | 127]) + size.to_bytes(8)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


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
        writer.write(
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            + early
        )
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
            first, second = await self._reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2))
            elif size == 127:
                size = int.from_bytes(await self._reader.readexactly(8))
            assert first & 0x80, "what the server sends is never fragmented"
            assert not first & 0x70, "nor extended"
            assert not second & 0x80, "nor masked"
            return first & 0x0F, await self._reader.readexactly(size)

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
