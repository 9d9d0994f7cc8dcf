"""A request that asks for a change to another protocol than WebSocket is answered as if it did not."""

import asyncio
import json
from typing import Any

import pytest

from scene import PATIENCE, Scene
from tautwire.server.http.protocol import MAX_PIPELINED

BODY = b'{"channel": "C", "text": "hello"}'
HEAD = b"""\
POST /api/api.test HTTP/1.1\r
Host: x\r
Connection: Upgrade, HTTP2-Settings\r
Upgrade: h2c\r
HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r
Content-Type: application/json; charset=utf-8\r
"""
SIZED = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
EMPTY = HEAD + b"Content-Length: 0\r\n\r\n"


async def answer(reader: asyncio.StreamReader) -> Any:
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return json.loads(await reader.readexactly(size))


@pytest.mark.parametrize("pieces", [1, 2, 7, 10_000], ids=lambda pieces: f"{pieces} pieces")
@pytest.mark.parametrize(
    ("request_", "args"),
    [(SIZED, json.loads(BODY)), (CHUNKED, json.loads(BODY)), (EMPTY, None)],
    ids=["sized", "chunked", "empty"],
)
async def test_its_body_is_read(scene: Scene, request_: bytes, args: dict[str, str] | None, pieces: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    step = -(-len(request_) // pieces)
    try:
        for _ in range(3):  # the connection stays good for further requests
            for start in range(0, len(request_), step):
                writer.write(request_[start : start + step])
                await writer.drain()
                await asyncio.sleep(0)
            assert await answer(reader) == ({"ok": True, "args": args} if args else {"ok": True})
    finally:
        writer.transport.abort()


async def test_requests_behind_it_are_answered_in_order(scene: Scene) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    try:
        writer.write(SIZED + EMPTY + CHUNKED)
        got = [await answer(reader) for _ in range(3)]
        assert [each.get("args") for each in got] == [json.loads(BODY), None, json.loads(BODY)]
    finally:
        writer.transport.abort()


async def test_its_body_is_no_request_of_its_own(scene: Scene) -> None:
    """A proxy that passes such a request on would take the answer for that of another caller."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    hidden = b"GET /api/auth.test HTTP/1.1\r\nHost: x\r\n\r\n"
    head = HEAD.replace(b"application/json; charset=utf-8", b"text/plain") + b"Content-Length: %d\r\n\r\n" % len(hidden)
    try:
        writer.write(head)
        await writer.drain()
        await asyncio.sleep(0)  # so that the head arrives alone
        writer.write(hidden + EMPTY)
        assert (await answer(reader)).get("error") != "not_authed"
        assert await answer(reader) == {"ok": True}
    finally:
        writer.transport.abort()


async def test_a_flood_of_them_is_bounded_as_any_other(scene: Scene) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    try:
        writer.write(EMPTY * 40)
        assert await answer(reader) == {"ok": True}
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).count(b"HTTP/1.1 ") <= MAX_PIPELINED  # then the connection ends
    finally:
        writer.transport.abort()
