"""As much of HTTP as a front needs that passes requests on: their heads. Frames are in ``websocket``."""

import asyncio
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
