"""As much of HTTP and WebSocket as a front needs that passes both on: request heads, and where frames begin and end."""

import asyncio
from collections.abc import Iterator
from struct import pack
from typing import NamedTuple


class Head(NamedTuple):
    """The head of an HTTP request."""

    raw: bytes
    """All of it, with the empty line at its end."""

    @property
    def path(self) -> str:
        """The request's path, with its query."""
        return self.raw.split(b" ", 2)[1].decode("latin-1")

    @property
    def method_name(self) -> str:
        """The Web API method, "" for other paths."""
        path = self.path.partition("?")[0]
        return path.removeprefix("/api/") if path.startswith("/api/") else ""

    @property
    def is_upgrade(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.header("upgrade").lower() == "websocket"

    @property
    def content_length(self) -> int:
        """Bytes of the body."""
        return int(self.header("content-length") or 0)

    def with_header(self, name: str, value: str) -> bytes:
        """Return the head with one header set."""
        first, *lines = self.raw.rstrip(b"\r\n").split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(name.lower().encode() + b":")]
        return b"\r\n".join([first, *kept, f"{name}: {value}".encode("latin-1"), b"", b""])

    def with_path(self, path: str) -> "Head":
        """Return the same request for another path."""
        verb, _, rest = self.raw.split(b" ", 2)
        return Head(b" ".join([verb, path.encode("latin-1"), rest]))

    def without_argument(self, name: str) -> "Head":
        """Return the same request without an argument in its query."""
        path, _, query = self.path.partition("?")
        kept = "&".join(each for each in query.split("&") if each.partition("=")[0] != name)
        return self.with_path(f"{path}?{kept}" if kept else path)

    def header(self, name: str) -> str:
        """Return the value of a header by its name in lower case, "" if there is none."""
        for line in self.raw.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.encode():
                return value.strip().decode("latin-1")
        return ""


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """Return the next request's head, None when the client is done."""
    try:
        return Head(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError:
        return None


class Frame(NamedTuple):
    """A WebSocket frame."""

    opcode: int
    payload: bytes
    """Unmasked."""
    raw: bytes
    """As it came."""

    @property
    def is_ack(self) -> bool:
        """Whether it answers a message."""
        return self.opcode == 1 and b'"reply_to"' in self.payload and b'"type"' not in self.payload

    @property
    def is_event(self) -> bool:
        """Whether it carries an event of the workspace."""
        return self.opcode == 1 and b'"type":"message"' in self.payload


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Return the frames that are complete now."""
        self._buffer += data
        while (frame := _first_frame(self._buffer)) is not None:
            self._buffer = self._buffer[len(frame.raw) :]
            yield frame


def frame_bytes(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """Return an unmasked frame."""
    first = opcode | (0x80 if final else 0)
    size = len(payload)
    if size < 126:
        return pack("!BB", first, size) + payload
    if size < 65_536:
        return pack("!BBH", first, 126, size) + payload
    return pack("!BBQ", first, 127, size) + payload


def _first_frame(data: bytes) -> Frame | None:
    if len(data) < 2:
        return None
    size = data[1] & 0x7F
    start = 2
    if size >= 126:
        start += 2 if size == 126 else 8
        size = int.from_bytes(data[2:start])
    mask = b""
    if data[1] & 0x80:
        mask = data[start : start + 4]
        start += 4
    end = start + size
    if len(data) < end:
        return None
    payload = data[start:end]
    if mask:
        payload = bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))
    return Frame(data[0] & 0x0F, payload, data[:end])
