"""What a peer can make the HTTP server hold, and for how long, before and after it has shown a token."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from rawsocket import CLOSE, TEXT, RawSocket, frame
from scene import PATIENCE, OpenScene, Scene, eventually
from tautwire.server.http import connections, protocol
from tautwire.server.http.connections import Phase
from tautwire.server.http.protocol import HttpProtocol
from tautwire.server.web_api import bodies
from tautwire.testing.websocket import upgrade_request

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


class Peer:
    """A connection to the server on which anything can be written."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def write(self, data: bytes | str) -> None:
        self.writer.write(data if isinstance(data, bytes) else data.encode())
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, Any]]:
        """Return status and body of the next response."""
        async with asyncio.timeout(PATIENCE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            return int(head.split()[1]), json.loads(await self.reader.readexactly(size))

    async def rest(self) -> bytes:
        """Return all that comes until the server ends the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def works(self) -> bool:
        await self.write("GET /api/api.test HTTP/1.1\r\nHost: x\r\n\r\n")
        return await self.answer() == (200, {"ok": True})


@asynccontextmanager
async def peer(scene: Scene) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


async def flood(peer: Peer, piece: bytes, limit: int) -> int:
    """Write pieces until the server has enough; return how much it took, ``limit`` at most."""
    written = 0
    try:
        while written < limit and not peer.writer.is_closing() and not peer.reader._buffer:  # type: ignore[attr-defined]
            await peer.write(piece)
            written += len(piece)
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    return written


# --- heads ---


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        ("GET /healthz HTTP/1.1\r\nX-A: ", b"x" * 4_096),
        ("GET /healthz?", b"x" * 4_096),
        ("POST /api/rtm.connect?", b"x" * 4_096),
        ("GET /rtm/", b"x" * 4_096),
        ("GET /healthz HTTP/1.1\r\n", b"A: b\r\n" * 100),
        ("GET /healthz HTTP/1.1\r\n", (b"A: " + b"x" * 8_000 + b"\r\n")),
    ],
)
async def test_an_endless_head_is_refused(scene: Scene, begin: str, piece: bytes) -> None:
    async with peer(scene) as hostile:
        await hostile.write(begin)
        assert await flood(hostile, piece, 4_000_000) < 1_000_000
        answer = await hostile.answer()
        assert answer == (431, {"ok": False, "error": "request_header_fields_too_large"})
        assert await hostile.rest() == b""


async def test_an_endless_head_behind_another_request_is_refused(scene: Scene) -> None:
    async with peer(scene) as hostile:
        assert await hostile.works()
        await hostile.write("GET /healthz HTTP/1.1\r\nX-A: ")
        assert await flood(hostile, b"x" * 4_096, 4_000_000) < 1_000_000
        assert (await hostile.answer())[0] == 431


@pytest.mark.parametrize("size", [60_000, 70_000, 90_000])
async def test_the_limit_of_a_head_is_64_kib(scene: Scene, size: int) -> None:
    async with peer(scene) as caller:
        await caller.write(f"GET /api/api.test HTTP/1.1\r\nHost: x\r\nX-A: {'x' * size}\r\n\r\n")
        assert (await caller.answer())[0] == (200 if size < 65_536 else 431)


async def test_a_head_that_is_not_complete_in_time_is_answered_with_408(scene: Scene) -> None:
    async with peer(scene) as slow, peer(scene) as quick:
        await slow.write("GET /healthz HTTP/1.1\r\nX-A: ")
        scene.clock.offset += 9.0
        await scene.server_swept()
        assert await quick.works()
        scene.clock.offset += 2.0
        await slow.write("x")
        assert await slow.answer() == (408, {"ok": False, "error": "request_timeout"})
        assert await slow.rest() == b""


async def test_the_head_of_a_later_request_has_a_time_limit_too(scene: Scene) -> None:
    async with peer(scene) as slow:
        assert await slow.works()
        await slow.write("GET /healthz HTTP/1.1\r\n")
        await scene.server_swept()
        scene.clock.offset += 11.0
        assert (await slow.answer())[0] == 408


@pytest.mark.parametrize("begin", ["", "\r\n\r\n"])
async def test_a_connection_without_a_request_is_ended(scene: Scene, begin: str) -> None:
    async with peer(scene) as idle:
        await idle.write(begin)
        await scene.server_swept()
        scene.clock.offset += 11.0
        assert await idle.rest() == b""


@pytest.mark.parametrize("target", ["api.test", "rtm.connect"])
async def test_a_connection_without_a_further_request_is_ended(scene: Scene, target: str) -> None:
    async with peer(scene) as idle:
        await idle.write(f"POST /api/{target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert (await idle.answer())[0] == 200
        scene.clock.offset += 4.0
        await scene.server_swept()
        assert await idle.works()
        scene.clock.offset += 6.0
        assert await idle.rest() == b""


async def test_requests_may_be_pipelined_but_not_without_end(scene: Scene) -> None:
    one = b"GET /api/api.test?n=%d HTTP/1.1\r\nHost: x\r\n\r\n"
    async with peer(scene) as few:
        await few.write(b"".join(one % n for n in range(10)))
        for n in range(10):
            assert await few.answer() == (200, {"ok": True, "args": {"n": str(n)}})
    async with peer(scene) as many:
        await many.write(b"".join(one % n for n in range(5_000)))
        assert (await many.rest()).count(b"HTTP/1.1 200 OK") < 100


async def test_incomplete_heads_are_bounded_together(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_HELD", 100_000)
    begun = b"GET /healthz HTTP/1.1\r\nX-A: " + b"x" * 40_000
    async with peer(scene) as one, peer(scene) as two, peer(scene) as three:
        assert await two.works(), "it is the second to begin a head"
        for each in (one, two):
            await each.write(begun)
            await scene.server_swept()
        await three.write(begun)
        assert (await one.answer())[0] == 408, "the oldest goes"
        for each in (two, three):
            await each.write("\r\n\r\n")
            assert (await each.answer())[0] == 200
        for _ in range(5):  # what was held is free again
            await three.write(begun + b"\r\n\r\n")
            assert (await three.answer())[0] == 200


async def test_a_malformed_request_is_answered_and_not_logged(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    async with peer(scene) as caller:
        await caller.write("nonsense\r\n\r\n")
        assert (await caller.answer())[0] == 400
        assert await caller.rest() == b""
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


# --- bodies ---


async def test_a_wrong_token_in_the_header_is_answered_before_the_body_is_read(scene: Scene) -> None:
    async with peer(scene) as caller:
        await caller.write(
            "POST /api/chat.postMessage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer xoxb-wrong\r\n"
            f"{FORM}Content-Length: 1000000\r\n\r\na="
        )
        assert await caller.answer() == (200, {"ok": False, "error": "invalid_auth"})


async def test_a_method_that_is_not_served_is_answered_before_the_body_is_read(scene: Scene) -> None:
    async with peer(scene) as caller:
        await caller.write(f"POST /api/calls.add HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 1000000\r\n\r\na=")
        assert (await caller.answer())[1]["error"] == "unknown_method"


REFUSED_EARLY = (
    "POST /api/chat.postMessage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer xoxb-wrong\r\n"
    f"{FORM}Content-Length: 100000000\r\n\r\na="
)


async def test_a_body_that_nobody_reads_is_dropped_up_to_a_limit(scene: Scene) -> None:
    async with peer(scene) as hostile:
        await hostile.write(REFUSED_EARLY)
        await hostile.answer()
        assert await flood(hostile, b"x" * 65_536, 100_000_000) < 2 * protocol.MAX_DRAINED
        assert await hostile.rest() == b""


async def test_a_body_that_nobody_reads_is_dropped_for_a_limited_time(scene: Scene) -> None:
    async with peer(scene) as hostile:
        await hostile.write(REFUSED_EARLY)
        await hostile.answer()
        scene.clock.offset += 6.0
        await hostile.write("x")
        await scene.server_swept()
        scene.clock.offset += 6.0
        assert await hostile.rest() == b""


async def test_a_connection_goes_on_behind_a_body_that_nobody_reads(scene: Scene) -> None:
    async with peer(scene) as caller:
        await caller.write(REFUSED_EARLY.replace("100000000", "1000000"))
        await caller.answer()
        await caller.write(b"x" * 999_998)
        assert await caller.works()
        scene.clock.offset += 6.0
        assert await caller.rest() == b""


async def test_bodies_of_unknown_callers_are_bounded_together(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_ANONYMOUS", 2_000_000)
    scene = await open_scene()
    begun = f"POST /api/api.test HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 900002\r\n\r\na="
    async with peer(scene) as one, peer(scene) as two, peer(scene) as three:
        for each in (one, two):
            await each.write(begun)
            await each.write(b"x" * 899_999)
        await three.write(begun)
        await three.write(b"x" * 899_999)
        answers = [asyncio.create_task(each.answer()) for each in (one, two, three)]
        refused, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in refused] == [(429, {"ok": False, "error": "ratelimited"})]

        small = await scene.request("POST", "api.test", data={"a": "x" * 3_000})
        assert small.body["ok"], "what a body may hold by itself is always taken"
        known = await scene.request("POST", "auth.test", data={"a": "x" * 900_000}, headers=scene.bearer("alice"))
        assert known.body["ok"], "a token in the header is looked at first"

        left = [each for each, task in zip((one, two, three), answers, strict=True) if task in waiting]
        await left[0].write("x")
        await left[1].write("x")
        for task in waiting:
            status, body = await task
            assert (status, body["ok"]) == (200, True)
    again = await scene.request("POST", "api.test", data={"a": "x" * 900_000})
    assert again.body["ok"], "what was held is free again"


async def test_a_body_that_does_not_come_in_time_is_given_up(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.05)
    async with peer(scene) as slow:
        await slow.write(f"POST /api/api.test HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: 10\r\n\r\na=")
        assert await slow.answer() == (200, {"ok": False, "error": "request_timeout"})
        await scene.server_swept()
        scene.clock.offset += 11.0
        assert await slow.rest() == b""


async def test_a_peer_that_does_not_read_its_answers_is_ended(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    stalled: list[HttpProtocol] = []
    ended: list[Phase] = []
    pause, expire = HttpProtocol.pause_writing, HttpProtocol.expire

    def noted(connection: HttpProtocol) -> None:
        stalled.append(connection)
        pause(connection)

    def noted_end(connection: HttpProtocol, phase: Phase) -> None:
        ended.append(phase)
        expire(connection, phase)

    monkeypatch.setattr(HttpProtocol, "pause_writing", noted)
    monkeypatch.setattr(HttpProtocol, "expire", noted_end)
    body = b"a=" + b"x" * 1_000_000
    request = f"POST /api/api.test HTTP/1.1\r\nHost: x\r\n{FORM}Content-Length: {len(body)}\r\n\r\n".encode() + body
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port, limit=1_024)
    try:
        for _ in range(12):  # more than the kernel takes on loopback
            writer.write(request)
        async with asyncio.timeout(PATIENCE):
            while not ended:
                await eventually(lambda: any(each.phase is Phase.STALLED for each in stalled))
                scene.clock.offset += 31.0
                await scene.server_swept()
        assert ended == [Phase.STALLED]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(PATIENCE):
                await reader.readexactly(12_000_000)
    finally:
        writer.transport.abort()


# --- upgrades to other protocols ---


@pytest.mark.parametrize("pieces", [1, 2, 3, 150])
async def test_a_request_that_asks_for_another_protocol_keeps_its_body(scene: Scene, pieces: int) -> None:
    body = b"foo=" + b"x" * 20_000
    head = (
        b"POST /api/api.test HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAEAAEAA\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    parts = {
        1: [head + body],
        2: [head, body],
        3: [head[:50], head[50:] + body[:7], body[7:]],
        150: [(head + body)[start : start + 150] for start in range(0, len(head + body), 150)],
    }
    async with peer(scene) as java:
        for part in parts[pieces]:
            await java.write(part)
        assert await java.answer() == (200, {"ok": True, "args": {"foo": "x" * 20_000}})
        assert await java.works()


async def test_requests_that_ask_for_another_protocol_may_follow_each_other(scene: Scene) -> None:
    ask = "Connection: upgrade\r\nUpgrade: h2c\r\n"
    async with peer(scene) as java:
        await java.write(f"GET /api/api.test?n=1 HTTP/1.1\r\nHost: x\r\n{ask}\r\n" * 3)
        for _ in range(3):
            assert await java.answer() == (200, {"ok": True, "args": {"n": "1"}})
        assert await java.works()


# --- WebSockets ---


async def test_a_frame_in_the_same_segment_as_the_upgrade_request_is_taken(scene: Scene) -> None:
    url = (await scene.grant("alice"))["url"]
    path = "/" + url.split("/", 3)[3]
    async with peer(scene) as eager:
        await eager.write(upgrade_request(path, "x") + frame(b'{"type":"ping","id":7}'))
        head = await eager.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        raw = RawSocket(eager.reader, eager.writer)
        got = [await raw.read(), await raw.read()]
        assert sorted(json.loads(payload)["type"] for opcode, payload in got if opcode == TEXT) == ["hello", "pong"]


async def test_a_close_in_the_same_segment_as_the_upgrade_request_is_answered_behind_it(scene: Scene) -> None:
    path = "/" + (await scene.grant("alice"))["url"].split("/", 3)[3]
    async with peer(scene) as hasty:
        await hasty.write(upgrade_request(path, "x") + frame(b"\x03\xe8", CLOSE))
        received = await hasty.rest()
    assert received.startswith(b"HTTP/1.1 101 ")
    assert received.endswith(b"\r\n\r\n\x88\x02\x03\xe8")


@pytest.mark.parametrize(
    "line", ["Sec-WebSocket-Key: " + "x" * 30_000, "X-A: " + "x" * 30_000, "Upgrade: websocket" + " " * 30_000]
)
async def test_a_large_upgrade_request_is_answered(scene: Scene, line: str) -> None:
    async with peer(scene) as caller:
        await caller.write(
            f"GET /rtm/x HTTP/1.1\r\nHost: x\r\n{line}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE):
            head = await caller.reader.readuntil(b"\r\n\r\n")
        assert head.split()[1] in (b"101", b"400", b"431")


async def test_a_websocket_outlives_all_time_limits_of_http(scene: Scene) -> None:
    url = (await scene.grant("alice"))["url"]
    async with RawSocket.dialled(url) as socket:
        await scene.server_swept()
        scene.clock.offset += 20.0
        await scene.server_swept()
        socket.write(frame(b'{"type":"ping","id":1}'))
        assert (await socket.read())[0] == TEXT
        socket.write(frame(b"\x03\xe8", CLOSE))
        assert await socket.closed() == 1_000


# --- stopping ---


async def test_waiting_connections_do_not_hold_up_the_end(scene: Scene) -> None:
    async with peer(scene) as fresh, peer(scene) as used, peer(scene) as begun, peer(scene) as refused:
        assert await used.works()
        await begun.write("GET /healthz HTTP/1.1\r\n")
        await refused.write("nonsense\r\n\r\n")
        await refused.answer()
        async with asyncio.timeout(PATIENCE):
            await scene.server.stop()
        for each in (fresh, used, begun, refused):
            assert await each.rest() == b""


async def test_a_connection_of_an_http_client_is_used_again(scene: Scene) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as scene.http:
        for method in ("rtm.connect", "auth.test", "rtm.connect", "rtm.connect"):
            await scene.ok("alice", method)


# --- garbage ---


@pytest.mark.parametrize("before", [b"", b"\r\n"])
async def test_connections_leave_no_cyclic_garbage(scene: Scene, before: bytes) -> None:
    """Else the collector has to run, and memory to grow until it does. ``before`` keeps the front out."""

    async def made(data: bytes, until: bytes) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
        writer.write(before + data)
        async with asyncio.timeout(PATIENCE):
            received = b""
            while until not in received:
                received += await reader.read(1_000)
        return writer

    async def all_kinds() -> None:
        writers = []
        upgrade = b" HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        for n in range(10):
            ticket = (await scene.grant("alice"))["url"].rpartition("/")[2].encode()
            good = b"GET /rtm/" + ticket + upgrade + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            writers.append(await made(good, b"hello"))
            writers.append(await made(b"GET /rtm/x" + upgrade + b"\r\n", b" 400 "))
            writers.append(await made(b"GET /api/api.test?n=%d HTTP/1.1\r\nHost: x\r\n\r\n" % n, b"args"))
            writers.append(await made(b"nonsense\r\n\r\n", b"invalid_http"))
            writers.append(await made(b"GET /" + b"x" * 90_000, b" 431 "))
        for writer in writers:
            writer.transport.abort()
        await eventually(lambda: not scene.server.workspace.hub._connections)
        await scene.server_swept()

    await all_kinds()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await all_kinds()
        gc.collect()
        ours = {type(thing).__name__ for thing in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    suspects = {"HttpProtocol", "HttpRequestParser", "Front", "WebSocket", "WSTransport", "RtmConnection", "Farewell"}
    assert not ours & suspects, ours
