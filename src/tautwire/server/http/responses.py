"""Responses as bytes, for requests that are answered without an ASGI application."""

from collections.abc import Iterable
from http import HTTPStatus

import msgspec

Headers = Iterable[tuple[bytes, bytes]]


def response(status: int, headers: Headers, body: bytes, *, close: bool) -> bytes:
    """Return an HTTP/1.1 response, byte for byte as uvicorn writes it: clients cannot see which part answered."""
    lines = [b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())]
    for name, value in headers:
        lines += (name, b": ", value, b"\r\n")
    if close:
        lines.append(b"connection: close\r\n")
    lines += (b"\r\n", body)
    return b"".join(lines)


def refusal(status: int, error: str, default_headers: Headers) -> bytes:
    """Return the last response of a connection: an error in the form of the Web API."""
    body = msgspec.json.encode({"ok": False, "error": error})
    headers = [
        *default_headers,
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    return response(status, headers, body, close=True)
