"""The requests the front reads itself: the exact shapes that clients send, and no bytes with a second reading.

Theory. Two readers of HTTP on one port must never disagree about where a request ends: that is how requests are
smuggled past a proxy. So the front accepts only one complete request in one read with nothing behind it: printable
ASCII, each header once, no folding, no Transfer-Encoding, no Expect, a Content-Length equal to the bytes that follow.
For all other bytes the functions return None, and uvicorn's parser reads them.
"""

import re
from typing import Final, NamedTuple

MAX_HEAD: Final = 8_192
MAX_BODY: Final = 16_384

_UPGRADE: Final = re.compile(rb"GET (/[\w-]+/[\w.~=&?%-]+) HTTP/1\.1")
"""The prefix of a door, and one segment behind it. Which prefixes there are is known to ``sockets.handover``."""
_CALL: Final = re.compile(rb"(?:GET|POST) /api/rtm\.connect(?:\?([\w.~=&%+-]*))? HTTP/1\.1", re.ASCII)
_HEADERS: Final = re.compile(rb"(?:\r\n[A-Za-z0-9-]+: [!-~](?:[ -~]*[!-~])?)+")
_LENGTH: Final = re.compile(rb"0|[1-9]\d{0,5}")

_NEVER: Final = frozenset((b"transfer-encoding", b"expect", b"trailer", b"te"))


class UpgradeShape(NamedTuple):
    """A request to upgrade to WebSocket."""

    target: bytes
    headers: dict[bytes, bytes]


class CallShape(NamedTuple):
    """A call of rtm.connect."""

    query: bytes
    headers: dict[bytes, bytes]
    body: bytes
    closes: bool
    """Whether the connection is closed after the response."""


def read_upgrade(data: bytes) -> UpgradeShape | None:
    """Return the upgrade request in ``data``, None if uvicorn has to parse it."""
    if not data.endswith(b"\r\n\r\n") or len(data) > MAX_HEAD:
        return None
    line, _, _ = data.partition(b"\r\n")
    request = _UPGRADE.fullmatch(line)
    headers = _read_headers(data[len(line) : -4]) if request else None
    if request is None or headers is None or b"content-length" in headers:
        return None
    if headers.get(b"upgrade", b"").lower() != b"websocket":
        return None
    if b"upgrade" not in (word.strip() for word in headers.get(b"connection", b"").lower().split(b",")):
        return None
    return UpgradeShape(request[1], headers)


def read_call(data: bytes) -> CallShape | None:
    """Return the call of rtm.connect in ``data``, None if uvicorn has to parse it."""
    head, end, body = data.partition(b"\r\n\r\n")
    if not end or len(head) > MAX_HEAD or len(body) > MAX_BODY:
        return None
    line, _, _ = head.partition(b"\r\n")
    request = _CALL.fullmatch(line)
    headers = _read_headers(head[len(line) :]) if request else None
    if request is None or headers is None or b"host" not in headers or b"upgrade" in headers:
        return None
    length = headers.get(b"content-length", b"0")
    if not _LENGTH.fullmatch(length) or int(length) != len(body):
        return None
    connection = headers.get(b"connection", b"keep-alive").lower()
    if connection not in (b"keep-alive", b"close"):
        return None
    return CallShape(request[1] or b"", headers, body, connection == b"close")


def _read_headers(block: bytes) -> dict[bytes, bytes] | None:
    """Return headers by name in lower case, None if their form is unusual. Each line begins with CR LF."""
    if not _HEADERS.fullmatch(block):
        return None
    lines = block.split(b"\r\n")
    headers: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b": ")
        headers[name.lower()] = value
    if len(headers) != len(lines) or not _NEVER.isdisjoint(headers):  # an empty line is in both
        return None
    return headers
