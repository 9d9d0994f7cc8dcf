"""A WebSocket client of bare bytes: sends any request it is given and shows what is in the socket, now or later.

For what a real client library would not let a test say or see. Blocking; used from tests through a thread.
"""

import json
import os
import socket
from base64 import b64encode
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
CONTINUATION = 0
FIN = 0x80


class RawSocket:
    """A connection to the host of a URL; nothing is sent by itself."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.path = parts.path
        self.host = str(parts.hostname)
        self.port = int(parts.port or 80)
        self.key = b64encode(os.urandom(16)).decode()
        self._socket = socket.create_connection((self.host, self.port), timeout=10)
        self._buffer = b""

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)

    def request(self, *headers: str, query: str = "") -> str:
        """Return an upgrade request with these headers besides the four that every one has."""
        lines = [
            f"GET {self.path}{query} HTTP/1.1",
            "Upgrade: websocket",
            f"Sec-WebSocket-Key: {self.key}",
            "Sec-WebSocket-Version: 13",
            *headers,
        ]
        if not any(header.startswith("Connection:") for header in headers):
            lines.append("Connection: Upgrade")
        if not any(header.startswith("Host:") for header in headers):
            lines.append(f"Host: {self.host}:{self.port}")
        return "\r\n".join([*lines, "", ""])

    def read_head(self) -> tuple[str, dict[str, str]]:
        """Read a response head; return its status line and its headers with names in lower case."""
        while b"\r\n\r\n" not in self._buffer:
            self._read_more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in lines)
        return status, {name.strip().lower(): value.strip() for name, value in pairs}

    def read_bytes(self, size: int) -> bytes:
        """Read exactly so many bytes."""
        while len(self._buffer) < size:
            self._read_more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def send_frame(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        """Send a masked frame."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + size.to_bytes(2)
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self.write(bytes([(FIN if fin else 0) | opcode]) + length + mask + masked)

    def send(self, frame: dict[str, Any]) -> None:
        """Send an object as a text frame."""
        self.send_frame(TEXT, json.dumps(frame).encode())

    def read_frame(self) -> tuple[int, bytes]:
        """Read a frame; return its opcode and payload. Fragmented, compressed or masked ones fail the test."""
        first, length = self.read_bytes(2)
        assert first & 0xF0 == FIN, f"a fragmented or compressed frame: {first:#x}"
        assert length < 128, "a masked frame from the server"
        if length == 126:
            length = int.from_bytes(self.read_bytes(2))
        elif length == 127:
            length = int.from_bytes(self.read_bytes(8))
        return first & 0x0F, self.read_bytes(length)

    def read(self) -> Any:
        """Read a text frame and return what its JSON says."""
        opcode, payload = self.read_frame()
        assert opcode == TEXT, f"frame {opcode} instead of text: {payload!r}"
        return json.loads(payload)

    def has_bytes(self) -> bool:
        """Whether something came that was not read yet, without waiting."""
        if self._buffer:
            return True
        self._socket.setblocking(False)
        try:
            self._read_more()
        except BlockingIOError:
            return False
        finally:
            self._socket.settimeout(10)
        return True

    def is_at_end(self) -> bool:
        """Wait for the server to close the connection; False if it says something instead."""
        try:
            return not self._buffer and not self._socket.recv(1)
        except ConnectionResetError:
            return True

    def is_refused(self, request: bytes) -> bool:
        """Send a request; whether the server closed the connection instead of answering it."""
        try:
            self.write(request)
        except (BrokenPipeError, ConnectionResetError):
            return True
        return self.is_at_end()

    def _read_more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError(f"the server closed the connection; unread: {self._buffer!r}")
        self._buffer += data
