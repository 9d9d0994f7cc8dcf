"""The front gives the answers that uvicorn's protocol gives, to the same bytes, however they are cut.

Every example is fed to both, chunk by chunk, on transports that keep what is written. So a request that the two would
delimit differently (request smuggling) shows as a different answer.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odd_requests import TOKEN_SIZE, streams
from rawsocket import TEXT, RawSocket
from scene import PATIENCE, OpenScene, Scene
from tautwire.server.http import server as http_server
from tautwire.server.http.front import Entrance, Front, front_factory
from tautwire.server.http.protocol import HttpProtocol
from tautwire.server.http.shapes import read_call, read_upgrade
from tautwire.server.web_api.method import Tier

SETTINGS = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self, protocol: Any, peer: str = "127.0.0.1") -> None:
        super().__init__()
        self.written = b""
        self.protocol = protocol
        self.closing = False
        self.peer = peer
        protocol.connection_made(self)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": (self.peer, 50_000), "sockname": ("127.0.0.1", 8065)}.get(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: Any) -> None:
        assert not self.closing, "nothing is written behind the end"
        self.written += bytes(data)

    def write_eof(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    async def receive(self, data: bytes) -> None:
        """Feed one chunk and let everything happen that it leads to."""
        if not self.closing:
            self.protocol.data_received(data)
        for _ in range(30):
            await asyncio.sleep(0)


class Rivals:
    """The two protocols of one running server."""

    def __init__(self) -> None:
        self.entrance: Entrance
        self.options: dict[str, Any] = {}
        self.taken = 0
        """Requests that the front has answered."""

    def front(self, peer: str) -> Wire:
        return Wire(Front(self.entrance, **self.options), peer)

    def uvicorn(self, peer: str) -> Wire:
        entrance = self.entrance
        return Wire(
            HttpProtocol(entrance.connections, entrance.handover.listen, entrance.forwarded, **self.options), peer
        )

    async def answers(self, chunks: list[bytes], peer: str = "127.0.0.1") -> tuple[Wire, Wire]:
        """Feed the same chunks to both; return both when nothing is going on any more."""
        wires = self.front(peer), self.uvicorn(peer)
        for wire in wires:
            for chunk in chunks:
                await wire.receive(chunk)
        for wire in wires:
            closing, wire.closing = wire.closing, True
            wire.protocol.connection_lost(None)
            wire.closing = closing
            await asyncio.sleep(0)
        room = self.entrance.connections
        assert room._held == 0
        assert sum(map(len, room._waiting.values())) <= 1, "that of the scene"
        return wires


@pytest.fixture
async def rivals(open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch) -> tuple[Scene, Rivals]:
    rivals = Rivals()

    def spied(entrance: Entrance) -> Callable[..., Front]:
        rivals.entrance = entrance
        make = front_factory(entrance)

        def remembered(**options: Any) -> Front:
            rivals.options = options
            return make(**options)

        return remembered

    answer = Front._answer

    def counted(front: Front, call: Any) -> bool:
        answered = answer(front, call)
        rivals.taken += answered
        return answered

    monkeypatch.setattr(http_server, "front_factory", spied)
    monkeypatch.setattr(Front, "_answer", counted)
    scene = await open_scene()
    await scene.ok("alice", "auth.test")
    rivals.options["server_state"].connections.clear()
    return scene, rivals


def normal(data: bytes) -> bytes:
    """Leave out what differs between any two answers."""
    return re.sub(rb"/rtm/[\w.-]+", b"/rtm/TICKET", re.sub(rb"date: [^\r]*", b"date: NOW", data))


@settings(SETTINGS, max_examples=1_000)
@given(stream=streams(), peer=st.sampled_from(["127.0.0.1", "192.0.2.7"]))
async def test_the_front_answers_as_uvicorn_does(rivals: tuple[Scene, Rivals], stream: list[bytes], peer: str) -> None:
    scene, pair = rivals
    token = scene.tokens["alice"].encode()
    assert len(token) == TOKEN_SIZE
    front, uvicorn = await pair.answers([chunk.replace(b"{token}", token) for chunk in stream], peer)
    assert normal(front.written) == normal(uvicorn.written)
    assert front.closing == uvicorn.closing


HEAD = b" HTTP/1.1\r\nHost: x:1\r\n"
BEARER = b"Authorization: Bearer {token}\r\n"
IN_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
IN_JSON = b"Content-Type: application/json;charset=utf-8\r\n"
USUAL = [
    b"POST /api/rtm.connect" + HEAD + BEARER + b"Content-Length: 0\r\n\r\n",
    b"GET /api/rtm.connect" + HEAD + BEARER + b"Connection: close\r\n\r\n",
    b"POST /api/rtm.connect?resume=" + HEAD + BEARER + b"X-Forwarded-Proto: https\r\nContent-Length: 0\r\n\r\n",
    b"POST /api/rtm.connect" + HEAD + IN_JSON + b"Content-Length: 13\r\n" + BEARER + b'\r\n{"resume":""}',
    b"POST /api/rtm.connect" + HEAD + IN_FORM + b"User-Agent: a/1 (b; c)\r\nContent-Length: 13\r\n\r\ntoken=nobody1",
]


@pytest.mark.parametrize("request_", USUAL)
async def test_what_clients_usually_send_is_answered_by_the_front(
    rivals: tuple[Scene, Rivals], request_: bytes
) -> None:
    scene, pair = rivals
    front, uvicorn = await pair.answers([request_.replace(b"{token}", scene.tokens["alice"].encode())])
    assert pair.taken == 1
    assert normal(front.written) == normal(uvicorn.written)
    assert front.written.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_clients_are_served_by_the_front(rivals: tuple[Scene, Rivals]) -> None:
    scene, pair = rivals
    async with aiohttp.ClientSession() as scene.http:
        alice = await scene.connect("alice")
        assert pair.taken == 1
        await alice.close()


async def test_what_has_to_wait_for_something_is_left_to_uvicorn(
    rivals: tuple[Scene, Rivals], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, pair = rivals
    api = pair.entrance.web_api
    answer = api.answer

    async def slow(*arguments: Any) -> Any:
        await asyncio.sleep(0)
        return await answer(*arguments)

    monkeypatch.setattr(api, "answer", slow)
    async with aiohttp.ClientSession() as scene.http:
        assert (await scene.grant("alice"))["ok"]
    assert pair.taken == 0


# --- upgrades, over real sockets ---

UPGRADE = {
    "Host": "x",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 101),
        ({"Connection": "keep-alive, Upgrade"}, 101),
        ({"Upgrade": "WebSocket"}, 101),
        ({"Sec-WebSocket-Protocol": "chat", "Origin": "null", "Cookie": "a=b", "User-Agent": "x"}, 101),
        ({"Sec-WebSocket-Extensions": "permessage-deflate"}, 101),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Version": "12"}, 400),
        ({"Sec-WebSocket-Version": None}, 400),
        ({"Content-Length": "0"}, 101),
        ({"Content-Length": "5"}, 400),
        ({"Transfer-Encoding": "chunked"}, 400),
        ({"X-Odd": "\xe4"}, 101),
        ({"Host": None}, 101),
    ],
)
async def test_an_upgrade_has_the_same_outcome_on_both_ways(
    scene: Scene, changes: dict[str, str | None], status: int
) -> None:
    outcomes = []
    for before in (b"", b"\r\n"):  # an empty line before the request is allowed, and nothing for the front
        ticket = (await scene.grant("alice"))["url"].rpartition("/")[2]
        headers = {name: value for name, value in (UPGRADE | changes).items() if value is not None}
        lines = [f"GET /rtm/{ticket} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
        writer.write(before + ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        async with asyncio.timeout(PATIENCE):
            head = await reader.readuntil(b"\r\n\r\n")
            if status == 101:
                assert await RawSocket(reader, writer).read() == (TEXT, b'{"type":"hello"}')
            else:
                head += await reader.read()
        writer.transport.abort()
        outcomes.append(head)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].startswith(b"HTTP/1.1 %d " % status)


async def test_a_dead_url_has_the_same_outcome_on_both_ways(scene: Scene) -> None:
    outcomes = []
    for before in (b"", b"\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
        lines = ["GET /rtm/nothing?x=1 HTTP/1.1", *(f"{name}: {value}" for name, value in UPGRADE.items())]
        writer.write(before + ("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(PATIENCE):
            await reader.readuntil(b"\r\n\r\n")
            outcomes.append([await RawSocket(reader, writer).read() for _ in range(2)])
        writer.transport.abort()
    assert outcomes[0] == outcomes[1]
    assert b"Socket URL has expired" in outcomes[0][0][1]


# --- shapes ---

CALL = b"POST /api/rtm.connect HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=1"


@pytest.mark.parametrize(
    "data",
    [
        CALL[:-1],
        CALL + b"x",
        CALL + CALL,
        CALL.replace(b"Content-Length: 3", b"Content-Length: 3\r\nContent-Length: 3"),
        CALL.replace(b"Content-Length: 3", b"Content-Length: 03"),
        CALL.replace(b"Content-Length: 3", b"Content-Length: 3\r\nTransfer-Encoding: chunked"),
        CALL.replace(b"Content-Length: 3", b"Content-Length: 3\r\n X: y"),
        CALL.replace(b"Content-Length: 3", b"Content-Length : 3"),
        CALL.replace(b"Content-Length: 3", b"Content-Length:3"),
        CALL.replace(b"\r\n", b"\n"),
        CALL.replace(b"Host: x\r\n", b""),
        CALL.replace(b"HTTP/1.1", b"HTTP/1.0"),
        CALL.replace(b"rtm.connect", b"rtm.connects"),
        CALL.replace(b"rtm.connect", b"rtm_connect"),
        CALL.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"),
        CALL.replace(b"Host: x", b"Host: x\r\nUpgrade: h2c"),
        CALL.replace(b"Host: x", b"Host: x\r\nConnection: upgrade"),
        b"\r\n" + CALL,
    ],
)
def test_only_the_exact_shape_is_taken(data: bytes) -> None:
    assert read_call(CALL) is not None
    assert read_call(data) is None


def test_no_part_of_a_request_is_taken_for_a_whole() -> None:
    without_body = CALL.replace(b"Content-Length: 3\r\n", b"")[:-3]
    assert read_call(without_body) is not None
    for size in range(len(without_body)):
        assert read_call(without_body[:size]) is None
    for size in range(len(CALL)):
        assert read_call(CALL[:size]) is None


def test_an_upgrade_is_taken_in_its_exact_shape_only() -> None:
    data = ("GET /rtm/a-b_c?x=1 HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in UPGRADE.items()) + "\r\n").encode()
    shape = read_upgrade(data)
    assert shape is not None
    assert shape.target == b"/rtm/a-b_c?x=1"
    for other in (
        data + b"\x81\x80",
        data[:-1],
        data.replace(b"GET", b"POST"),
        data.replace(b"/rtm/", b"/rtm//../"),
        data.replace(b"HTTP/1.1", b"HTTP/1.0"),
        data.replace(b"Host: x", b"Host: x\r\nContent-Length: 0"),
        data.replace(b"Host: x", b"Host: x\r\nhost: y"),
        data.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        data.replace(b"Connection: Upgrade", b"Connection: close"),
        data.replace(b"Host: x", b"Host: " + b"x" * 9_000),
    ):
        assert read_upgrade(other) is None


async def test_a_resume_that_has_to_look_at_the_disk_counts_once(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The front asks for an answer, does not get it at once, and leaves the call to uvicorn, which asks again."""
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", 0)  # as after a start
    scene = await open_scene(rate_limits=True)
    position = (await scene.grant("alice", resume=""))["position"]
    await scene.post("bob", scene.general, "missed")
    for _ in range(Tier.ONE.value.burst - 1):
        async with aiohttp.ClientSession() as scene.http:  # a new connection, which the front looks at
            assert (await scene.grant("alice", resume=position))["resume"] == "resumed"
    async with aiohttp.ClientSession() as scene.http:
        assert (await scene.request("POST", "rtm.connect", headers=scene.bearer("alice"))).status == 429
