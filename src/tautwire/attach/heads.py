"""Heads of requests that come to the front in the clear: read byte by byte up to their end, and what they ask for.

The bytes behind a head stay in the socket: after a CONNECT they are those of TLS.
"""

import asyncio
import re
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MAX_HEAD: Final = 16_384
"""Bytes of a head."""
_END: Final = b"\r\n\r\n"
_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]{1,8192}) HTTP/1\.[01]")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_HOP: Final = frozenset(
    (b"connection", b"http2-settings", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"te", b"upgrade")
)
"""Headers for the proxy and not for the host behind it. Source: RFC 9110, 7.6.1."""
_KEPT: Final = frozenset((b"host", b"content-length", b"transfer-encoding"))
"""Those that a client cannot have left out by naming them in Connection."""


class BadHeadError(ValueError):
    """Bytes are not the head of a request that can be served.

    Args:
        status: of the answer.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    """Names in lower case."""

    def get(self, name: bytes) -> bytes | None:
        """Return the value of a header that is there once.

        Raises:
            BadHeadError: it is there more than once.
        """
        values = [value for each, value in self.headers if each == name]
        if len(values) > 1:
            raise BadHeadError(400, f"{name.decode()} is there more than once")
        return values[0] if values else None

    @property
    def is_upgrade(self) -> bool:
        """Whether the request asks for a WebSocket. Other protocols are not offered: Java asks for HTTP/2 that way."""
        return (self.get(b"upgrade") or b"").lower() == b"websocket"

    @property
    def body_length(self) -> int | None:
        """The bytes of the body; None if only the host knows where they end.

        Raises:
            BadHeadError: the headers contradict each other.
        """
        length = self.get(b"content-length")
        if self.get(b"transfer-encoding") is not None:
            if length is not None:
                raise BadHeadError(400, "content-length and transfer-encoding cannot be there together")
            return None
        if self.is_upgrade:
            return None
        if length is not None and not re.fullmatch(rb"\d{1,15}", length):
            raise BadHeadError(400, "content-length is not a number")
        return int(length or b"0")

    @property
    def authority(self) -> tuple[str, int]:
        """Host and port of a CONNECT or of an absolute URL.

        Raises:
            BadHeadError: there is no host, or the scheme is not http.
        """
        is_connect = self.method == b"CONNECT"
        text = self.target.decode("ascii")
        try:
            parts = urlsplit(f"//{text}" if is_connect else text)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadHeadError(400, "the address of the host is not valid") from None
        if not host or "@" in parts.netloc or (is_connect and (port is None or parts.netloc != text)):
            raise BadHeadError(400, "the request names no host and port")
        if not is_connect and parts.scheme.lower() != "http":
            raise BadHeadError(400, "a proxy is asked for https:// by CONNECT")
        return host, port or 80

    @property
    def host(self) -> str:
        """The host that the header names, without its port."""
        return (self.get(b"host") or b"").decode("latin-1").partition(":")[0]

    @property
    def path(self) -> bytes:
        """The target without scheme and host."""
        if self.target.startswith(b"/"):
            return self.target
        place = re.search(rb"[/?]", self.target.partition(b"://")[2])
        path = place.string[place.start() :] if place else b""
        return path if path.startswith(b"/") else b"/" + path

    def forwarded(self, credentials: bytes | None = None) -> bytes:
        """Return the head for the next host, which closes the connection after its answer.

        A program may send its next request on the same connection to another host, so there is one for each.

        Args:
            credentials: those for another proxy, which gets the whole URL; None for the host itself.
        """
        named = {each.strip().lower() for each in (self.get(b"connection") or b"").split(b",")}
        dropped = (_HOP | named) - _KEPT
        if not self.target.startswith(b"/"):
            dropped |= {b"host"}
        lines = [b"%b %b HTTP/1.1" % (self.method, self.path if credentials is None else self.target)]
        lines += [b"%b: %b" % each for each in self.headers if each[0] not in dropped]
        if b"host" in dropped:
            lines.insert(1, b"host: " + self.target.partition(b"://")[2].split(b"/")[0].split(b"?")[0])
        if credentials:
            lines.append(b"proxy-authorization: " + credentials)
        lines += [b"connection: upgrade", b"upgrade: websocket"] if self.is_upgrade else [b"connection: close"]
        return b"\r\n".join(lines) + _END


def parse(data: bytes) -> Head:
    """Return the head in ``data``, which ends with an empty line.

    Raises:
        BadHeadError: it is not one.
    """
    first, *lines = data.removesuffix(_END).split(b"\r\n")
    line = _LINE.fullmatch(first)
    headers = [_HEADER.fullmatch(each) for each in lines]
    if line is None or not all(headers):
        raise BadHeadError(400, "this is not the head of an HTTP request")
    return Head(line[1], line[2], tuple((each[1].lower(), each[2]) for each in headers if each))


async def readable(sock: socket.socket) -> None:
    """Wait until a socket has bytes, or has ended."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(sock, wake)
    try:
        await ready
    finally:
        loop.remove_reader(sock)


async def peek(sock: socket.socket, size: int = 1) -> bytes:
    """Return the next bytes of a socket, which stay in it; empty if it has ended."""
    while True:
        await readable(sock)
        try:
            return sock.recv(size, socket.MSG_PEEK)
        except BlockingIOError:
            continue


async def read_head(sock: socket.socket) -> bytes:
    """Return the bytes of a head with the empty line; what follows stays in the socket.

    Raises:
        BadHeadError: it is longer than ``MAX_HEAD``.
        EOFError: the socket has ended before.
    """
    head = b""
    while True:
        seen = await peek(sock, MAX_HEAD)
        if not seen:
            raise EOFError
        place = (head + seen).find(_END, max(0, len(head) - len(_END)))
        taken = len(seen) if place < 0 else place + len(_END) - len(head)
        head += sock.recv(taken)
        if place >= 0:
            break
        if len(head) > MAX_HEAD:
            break
    if len(head) > MAX_HEAD:
        raise BadHeadError(431, f"the head is longer than {MAX_HEAD} bytes")
    return head
