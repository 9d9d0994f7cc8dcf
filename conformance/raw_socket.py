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

from tautwire.testing.websocket import TEXT, frame_bytes, read_frame_blocking, upgrade_request


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
        """Return an upgrade request with these headers besides the usual ones, or in their place."""
        host = f"{self.host}:{self.port}"
        return upgrade_request(self.path + query, host, *headers, key=self.key).decode("latin-1")

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
        self.write(frame_bytes(opcode, payload, final=fin, key=os.urandom(4)))

    def send(self, frame: dict[str, Any]) -> None:
        """Send an object as a text frame."""
        self.send_frame(TEXT, json.dumps(frame).encode())

    def read_frame(self) -> tuple[int, bytes]:
        """Read a frame; return its opcode and payload. Fragmented, compressed or masked ones fail the test."""
        frame = read_frame_blocking(self.read_bytes)
        assert frame.is_plain, f"a fragmented, compressed or masked frame from the server: {frame.raw[:14]!r}"
        return frame.opcode, frame.payload

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
