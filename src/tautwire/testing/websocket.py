"""The bytes of a WebSocket (RFC 6455): frames built and parsed, masks, both heads of the handshake.

No socket, no rule and no choice lives here, so that a peer of a test can be wrong in whatever way it wants: it takes
its frames from here and adds the odd bytes. The front of this package, the tests and the benchmarks use it. The server
and the client do not; they have their own, which must not share a mistake with what tests them.
"""

import asyncio
import hashlib
from base64 import b64encode
from collections.abc import Callable, Generator, Iterator
from struct import pack
from typing import Final, NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

SAMPLE_KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
"""A ``Sec-WebSocket-Key`` for handshakes whose key does not matter. Source: RFC 6455 section 1.3."""

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Frame(NamedTuple):
    """A frame that was read."""

    opcode: int
    payload: bytes
    """Unmasked."""
    raw: bytes
    """The whole frame as it was read."""

    @property
    def is_masked(self) -> bool:
        """Whether the frame has a masking key, as each frame of a client must."""
        return bool(self.raw[1] & 0x80)

    @property
    def is_plain(self) -> bool:
        """Whether the frame is unfragmented, without extension bits and unmasked: the only form the server sends."""
        return self.raw[0] & 0xF0 == 0x80 and not self.is_masked


def frame_bytes(
    opcode: int, payload: bytes, *, final: bool = True, key: bytes | None = None, reserved: int = 0
) -> bytes:
    """Return a frame.

    Args:
        opcode: 0 to 15; no value is refused.
        payload: sent as it is, UTF-8 or not.
        final: False for all but the last fragment of a message.
        key: the four bytes of a client's mask; None leaves the frame unmasked, as a server sends it.
        reserved: bits of the first byte to set besides, such as 0x40 for a compressed message.
    """
    first = opcode | reserved | (0x80 if final else 0)
    masked = 0 if key is None else 0x80
    size = len(payload)
    if size < 126:
        head = pack("!BB", first, masked | size)
    elif size < 65_536:
        head = pack("!BBH", first, masked | 126, size)
    else:
        head = pack("!BBQ", first, masked | 127, size)
    return head + payload if key is None else head + key + mask(payload, key)


def mask(payload: bytes, key: bytes) -> bytes:
    """Return the payload masked with a key of four bytes, or unmasked: both are the same."""
    size = len(payload)
    pattern = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(pattern)).to_bytes(size)


def frame_parts() -> Generator[int, bytes, Frame]:
    """Ask for the bytes of one frame, part by part, each by its size; return the frame.

    All readers below run this one parser, and differ in where the bytes come from.
    """
    raw = yield 2
    size = raw[1] & 0x7F
    if size >= 126:
        length = yield 2 if size == 126 else 8
        size = int.from_bytes(length)
        raw += length
    key = b""
    if raw[1] & 0x80:
        key = yield 4
    payload = yield size
    return Frame(raw[0] & 0x0F, mask(payload, key) if key else payload, raw + key + payload)


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read one frame and no byte more; raise ``asyncio.IncompleteReadError`` when the stream ends within it."""
    parts = frame_parts()
    wanted = next(parts)
    while True:
        data = await reader.readexactly(wanted)
        try:
            wanted = parts.send(data)
        except StopIteration as end:
            frame: Frame = end.value
            return frame


def read_frame_blocking(read: Callable[[int], bytes]) -> Frame:
    """Read one frame by calls of ``read(size)``; raise ``EOFError`` when one of them returns fewer bytes."""
    parts = frame_parts()
    wanted = next(parts)
    while True:
        data = read(wanted)
        if len(data) < wanted:
            raise EOFError(f"the stream ended {wanted - len(data)} bytes before the end of a part of a frame")
        try:
            wanted = parts.send(data)
        except StopIteration as end:
            frame: Frame = end.value
            return frame


class FrameReader:
    """Cuts a stream that arrives in pieces of any size into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._parts = frame_parts()
        self._wanted = next(self._parts)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take the next piece of the stream; yield the frames that are complete."""
        self._buffer += data
        while len(self._buffer) >= self._wanted:
            part = bytes(self._buffer[: self._wanted])
            del self._buffer[: self._wanted]
            try:
                self._wanted = self._parts.send(part)
            except StopIteration as end:
                self._parts = frame_parts()
                self._wanted = next(self._parts)
                yield end.value


def upgrade_request(target: str, host: str, *headers: str, key: str = SAMPLE_KEY) -> bytes:
    """Return the request that opens a WebSocket.

    Args:
        target: path and query.
        host: the value of the ``Host`` header.
        headers: further header lines; one with the name of a usual one takes its place.
        key: the value of ``Sec-WebSocket-Key``.
    """
    usual = (
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
    )
    given = {header.partition(":")[0].lower() for header in headers}
    kept = (header for header in usual if header.partition(":")[0].lower() not in given)
    return "\r\n".join([f"GET {target} HTTP/1.1", *kept, *headers, "", ""]).encode("latin-1")


def upgrade_response(key: str) -> bytes:
    """Return the head that accepts a request with this ``Sec-WebSocket-Key``."""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_value(key)}\r\n\r\n"
    ).encode()


def accept_value(key: str) -> str:
    """Return the ``Sec-WebSocket-Accept`` that answers a key. Source: RFC 6455 section 4.2.2."""
    return b64encode(hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()).decode()
