"""How many connections there may be, from where, and who goes when there is no room."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rawsocket import RawSocket, frame
from scene import PATIENCE, SEED, OpenScene, Scene, TurnedClock, eventually
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.health import Health
from tautwire.server.http import descriptors
from tautwire.server.http.connections import Connections, Phase
from tautwire.testing.websocket import upgrade_request

LOG = "tautwire.server.http"


class Member:
    """A connection as ``Connections`` sees it."""

    def __init__(self) -> None:
        self.address: str | None = None
        self.phase: Phase | None = None
        self.ended: list[Phase] = []

    def expire(self, phase: Phase) -> None:
        self.ended.append(phase)


def connections(clock: TurnedClock, limit: int = 100, per_address: int = 100) -> Connections:
    return Connections(clock, Health(), limit=limit, per_address=per_address)


def entered(room: Connections, address: str = "", phase: Phase | None = None) -> Member:
    member = Member()
    assert room.enter(member, address)
    if phase is not None:
        room.wait(member, phase)
    return member


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOG]


# --- the count ---


def test_the_one_that_has_waited_longest_makes_room(clock: TurnedClock) -> None:
    room = connections(clock, limit=4)
    busy = entered(room)
    idle = entered(room, phase=Phase.IDLE)
    clock.offset += 1
    fresh = entered(room, phase=Phase.HEAD)
    stalled = entered(room, phase=Phase.STALLED)

    entered(room)
    assert (idle.ended, fresh.ended) == ([Phase.IDLE], [])
    entered(room)
    assert fresh.ended == [Phase.HEAD]
    assert not room.enter(Member(), ""), "what is at work stays"
    assert busy.ended == stalled.ended == []
    assert room.count == 4

    room.leave(busy)
    room.leave(busy)
    assert room.count == 3
    entered(room)


def test_connections_that_have_ended_leave_nothing_behind(clock: TurnedClock) -> None:
    room = connections(clock)
    members = [entered(room, f"10.0.0.{n}", Phase.HEAD) for n in range(50)]
    heir = Member()
    room.move(members[0], heir)
    for member in (*members, heir):
        room.leave(member)
    assert room.count == 0
    assert not room._by_address
    assert not any(room._waiting.values())


def test_an_address_has_a_limit_of_its_own(clock: TurnedClock) -> None:
    room = connections(clock, per_address=2)
    first, _ = entered(room, "10.0.0.1"), entered(room, "10.0.0.1")
    assert not room.enter(Member(), "10.0.0.1")
    entered(room, "10.0.0.2")
    assert room.count == 3
    room.leave(first)
    entered(room, "10.0.0.1")


def test_a_network_of_ipv6_addresses_counts_as_one(clock: TurnedClock) -> None:
    room = connections(clock, per_address=2)
    entered(room, "2001:db8::1")
    entered(room, "2001:db8::ffff:2")
    assert not room.enter(Member(), "2001:db8:0:0:9::3")
    entered(room, "2001:db8:0:1::1")
    entered(room, "::ffff:10.0.0.1")
    entered(room, "10.0.0.1")
    assert not room.enter(Member(), "::ffff:10.0.0.1")
    entered(room, "fe80::1%eth0")


def test_connections_of_a_proxy_count_under_the_address_that_it_names(clock: TurnedClock) -> None:
    room = connections(clock, per_address=2)
    members = [entered(room) for _ in range(4)]
    assert [room.settle(member, "10.0.0.1") for member in members] == [True, True, False, False]
    assert room.settle(members[3], "10.0.0.2")
    direct = entered(room, "10.0.0.3")
    assert room.settle(direct, "10.0.0.9"), "who came by itself is counted already"
    assert set(room._by_address) == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}


def test_refusals_are_logged_once_a_minute(clock: TurnedClock, caplog: pytest.LogCaptureFixture) -> None:
    room = connections(clock, limit=1)
    entered(room)
    for _ in range(100):
        assert not room.enter(Member(), "")
    room.sweep()
    assert [message for message in messages(caplog) if "refused" in message] == [
        "connections refused: 1, the last because 1 of 1 connections are open"
    ]
    caplog.clear()
    clock.offset += 61
    room.sweep()
    room.sweep()
    assert ["refused: 99," in message for message in messages(caplog) if "nearly" not in message] == [True]


def test_being_nearly_full_is_a_fault_until_it_is_over(clock: TurnedClock, caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    room = Connections(clock, health, limit=100, per_address=100)
    members = [entered(room) for _ in range(89)]
    room.sweep()
    assert health.is_ready
    members.append(entered(room))
    for _ in range(10):
        room.sweep()
    assert messages(caplog) == [], "a new fault is logged where it is reported"
    clock.offset += 61
    for _ in range(10):
        room.sweep()
    assert "90 of 100 connections are open" in health.faults["descriptors"]
    assert "LimitNOFILE" in health.faults["descriptors"]
    assert len(messages(caplog)) == 1
    room.leave(members.pop())
    room.sweep()
    assert not health.is_ready, "no flapping at the edge"
    for member in members[:20]:
        room.leave(member)
    room.sweep()
    assert health.is_ready


# --- the settings ---


def test_the_limit_follows_from_the_files_that_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "descriptor_limit", lambda: 1_000)
    monkeypatch.setattr(descriptors, "_in_use", lambda: 100)
    assert descriptors.connection_limit(None) == 1_000 - 100 - descriptors.RESERVE
    assert descriptors.connection_limit(500) == 500
    room = descriptors.free_descriptors()
    assert descriptors.connection_limit(None, workspaces=5) == room - 5 * descriptors.OF_WORKSPACE
    assert descriptors.connection_limit(None, workspaces=10_000) == room - room // 2
    with pytest.raises(ConfigError, match="LimitNOFILE"):
        descriptors.connection_limit(900)
    monkeypatch.setattr(descriptors, "_in_use", lambda: 990)
    with pytest.raises(ConfigError, match="leaves no room"):
        descriptors.connection_limit(None)


@pytest.mark.parametrize("name", ["max_connections", "max_connections_per_address"])
def test_a_limit_is_at_least_one(tmp_path: Path, name: str) -> None:
    limit: dict[str, Any] = {name: 0}
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, got 0"):
        Settings(data=tmp_path, **limit)


# --- over real sockets ---


@asynccontextmanager
async def dialled(scene: Scene, who: str, *, split: bool, origin: str) -> AsyncIterator[bytes]:
    """Dial as a proxy does for ``origin``; yield the first line of the answer. ``split`` keeps the front out."""
    path = "/" + (await scene.grant(who))["url"].split("/", 3)[3]
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    request = upgrade_request(path, "x", f"X-Forwarded-For: {origin}")
    if split:
        writer.write(request[:1])
        await asyncio.sleep(0.05)
        writer.write(request[1:])
    else:
        writer.write(request)
    try:
        async with asyncio.timeout(PATIENCE):
            yield (await reader.readuntil(b"\r\n")).rstrip()
    finally:
        writer.transport.abort()


async def refusal_of(scene: Scene, local: str = "127.0.0.1") -> tuple[bytes, dict[str, Any]]:
    """Connect, write nothing, and return status line and body of what comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port, local_addr=(local, 0))
    async with asyncio.timeout(PATIENCE):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head.partition(b"\r\n")[0], json.loads(body)


UNAVAILABLE = (b"HTTP/1.1 503 Service Unavailable", {"ok": False, "error": "service_unavailable"})


async def test_beyond_the_limit_connections_are_refused_and_the_others_go_on(
    open_scene: OpenScene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tautwire.server.health")
    scene = await open_scene(max_connections=6)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as scene.http:
        urls = [(await scene.grant("alice"))["url"] for _ in range(6)]
        async with contextlib.AsyncExitStack() as stack:
            sockets = [await stack.enter_async_context(RawSocket.dialled(url)) for url in urls]
            assert await refusal_of(scene) == UNAVAILABLE
            for socket in sockets:
                socket.write(frame(b'{"type":"ping","id":1}'))
                assert (await socket.read())[1] == b'{"type":"pong","reply_to":1}'
            await scene.server_swept()
        await eventually(lambda: "ready again: descriptors" in caplog.text)
        await scene.ok("alice", "auth.test")
    assert "not ready: descriptors" in caplog.text
    caplog.clear()


async def test_the_limit_of_an_address_leaves_others_alone(open_scene: OpenScene) -> None:
    scene = await open_scene(max_connections_per_address=2, forwarded_allow_ips="192.0.2.1")
    held = [await asyncio.open_connection("127.0.0.1", scene.server.port, local_addr=("127.0.0.2", 0)) for _ in "ab"]
    assert await refusal_of(scene, "127.0.0.2") == UNAVAILABLE
    await scene.ok("alice", "auth.test")
    for _, writer in held:
        writer.transport.abort()
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port, local_addr=("127.0.0.2", 0))
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        if answer.startswith(b"HTTP/1.1 200"):
            break


@pytest.mark.parametrize("split", [False, True])
async def test_websockets_through_a_proxy_are_limited_by_their_origin(open_scene: OpenScene, split: bool) -> None:
    scene = await open_scene(max_connections_per_address=2, forwarded_allow_ips="127.0.0.1")
    async with contextlib.AsyncExitStack() as stack:
        lines = [
            await stack.enter_async_context(dialled(scene, "alice", split=split, origin=origin))
            for origin in ("203.0.113.5", "203.0.113.5", "203.0.113.5", "203.0.113.6")
        ]
    switched, refused = b"HTTP/1.1 101 Switching Protocols", UNAVAILABLE[0]
    assert lines == [switched, switched, refused, switched]


# --- few descriptors ---


def open_files(process: subprocess.Popen[str]) -> int:
    return sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())


@pytest.fixture
def poor_server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any], Path]]:
    """A ``tautwire serve`` that may open 256 files, its directory and its log."""
    (tmp_path / "seed.yaml").write_text(SEED)
    log = tmp_path / "log"
    command = [
        *("sh", "-c", 'ulimit -n 256; exec "$@"', "sh", sys.executable, "-m", "tautwire", "serve", "--port", "0"),
        *("--data", str(tmp_path / "data"), "--seed", str(tmp_path / "seed.yaml"), "--json"),
    ]
    with log.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline()), log
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux")
async def test_idle_connections_do_not_keep_others_out(
    poor_server: tuple[subprocess.Popen[str], dict[str, Any], Path],
) -> None:
    process, directory, log = poor_server
    port = int(directory["api_url"].split(":")[2].split("/")[0])
    token = directory["users"]["alice"]["token"]
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
    try:
        for sock in idle[::2]:
            with contextlib.suppress(ConnectionError):
                sock.sendall(b"GET /healthz HTTP/1.1\r\n")
        async with aiohttp.ClientSession() as http:
            for n in range(20):
                headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
                async with http.post(directory["api_url"] + "rtm.connect", headers=headers) as response:
                    url = (await response.json())["url"]
                async with RawSocket.dialled(url):
                    assert open_files(process) < 256, n
            async with http.get(directory["api_url"].replace("api/", "healthz")) as response:
                assert response.status == 200
        await eventually(lambda: "not ready: descriptors" in log.read_text())
        assert log.read_text().count("LimitNOFILE") == 1
        assert process.poll() is None
    finally:
        for sock in idle:
            sock.close()
    await eventually(lambda: "ready again: descriptors" in log.read_text())
