"""Limits, and sockets that break the rules: the connection ends as documented, nobody else notices."""

import asyncio
import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rawsocket import BINARY, CLOSE, CONTINUATION, PING, PONG, RawSocket, frame
from scene import OpenScene, Scene, eventually, is_plain
from tautwire.session.server import MAX_FRAME_SIZE

SLOW_DOWN = {"code": -1, "msg": "slow down, too many messages..."}


def message(number: int, channel: str, text: str) -> bytes:
    return json.dumps({"type": "message", "id": number, "channel": channel, "text": text}).encode()


# --- limits ---


async def test_a_frame_of_the_full_size_passes_and_one_byte_more_ends_the_connection(scene: Scene) -> None:
    alice = await scene.connect("alice")
    fits = message(1, scene.general, "hi").ljust(MAX_FRAME_SIZE)
    await alice.ws.send_str(fits.decode())
    assert (await alice.reply_to(1))["ok"]
    await alice.ws.send_str((fits + b" ").decode())
    assert await alice.ended() == 1009


@pytest.mark.parametrize("size", [65_537, 200_000, 5_000_000])
async def test_a_huge_frame_ends_the_connection_too(scene: Scene, size: int) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(frame(b"x" * size))
        assert await socket.closed() in (1009, None)
    assert (await (await scene.connect("alice")).say(scene.general, "again"))["ok"]


async def test_a_huge_frame_that_is_only_announced_costs_nothing(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(b"\x81\xff" + (2**40).to_bytes(8) + b"mask" + b"x" * 10_000)
        assert await socket.closed() == 1009


async def test_fragments_that_add_up_to_too_much_end_the_connection(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(frame(b" " * 10_000, fin=False))
        socket.write(frame(b" " * 10_000, CONTINUATION, fin=False))
        for _ in range(100):
            socket.write(frame(b" " * 10_000, CONTINUATION, fin=False))
        assert await socket.closed() == 1009


async def test_texts_over_4000_characters_are_refused_with_code_3(scene: Scene) -> None:
    alice = await scene.connect("alice")
    assert (await alice.say(scene.general, "x" * 4_000))["ok"]
    assert (await alice.say(scene.general, "x" * 4_001))["error"] == {"code": 3, "msg": "message text is too long"}
    assert (await alice.say(scene.general, ""))["error"] == {"code": 2, "msg": "message text is missing"}
    assert len(await scene.history("bob", scene.general)) == 1


async def test_who_sends_too_fast_is_told_so_and_then_cut_off(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    for number in range(1, 101):
        await alice.send(type="message", id=number, channel=scene.general, text=str(number))
    replies = []
    while (reply := await alice.frame()) != {"type": "goodbye"}:
        replies.append(reply)
    assert await alice.ended() == 1008

    refusals = [reply for reply in replies if not reply["ok"]]
    assert [reply["reply_to"] for reply in refusals] == list(range(21, 70))
    assert all(reply["error"] == SLOW_DOWN for reply in refusals)
    assert [(await bob.until(is_plain))["text"] for _ in range(20)] == [str(number) for number in range(1, 21)]


async def test_who_slows_down_may_go_on(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    alice = await scene.connect("alice")
    replies = [await alice.say(scene.general, str(number)) for number in range(25)]
    assert [reply["ok"] for reply in replies] == [True] * 20 + [False] * 5
    scene.clock.offset += 1.5
    assert (await alice.say(scene.general, "later"))["ok"]


async def test_the_rate_is_per_connection(open_scene: OpenScene) -> None:
    scene = await open_scene(rate_limits=True)
    first, second = await scene.connect("alice"), await scene.connect("alice")
    for number in range(20):
        assert (await first.say(scene.general, str(number)))["ok"]
    assert (await first.say(scene.general, "x"))["error"] == SLOW_DOWN
    assert (await second.say(scene.general, "x"))["ok"]


async def test_a_flood_waits_in_the_socket(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond what one connection may have waiting nothing is read, nothing is refused and nothing is lost."""
    monkeypatch.setattr("tautwire.session.server.MAX_PENDING", 3)
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    for number in range(1, 501):
        await alice.send(type="message", id=number, channel=scene.general, text=str(number))
    acks = [await alice.frame() for _ in range(500)]
    assert [ack["reply_to"] for ack in acks if ack["ok"]] == list(range(1, 501))
    assert await bob.texts() == [str(number) for number in range(1, 501)]
    await alice.close()
    assert (await bob.say(scene.general, "and on it goes"))["ok"]


# --- silence ---


async def test_a_silent_socket_is_pinged_and_one_that_never_answers_is_dropped(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        scene.clock.offset += 31
        assert await socket.read() == (PING, b"")
        await scene.server_swept()
        scene.clock.offset += 120
        assert await socket.closed() is None
    await eventually(lambda: len(scene.server.workspace.hub) == 0)


async def test_a_pong_is_a_sign_of_life(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        for _ in range(8):
            scene.clock.offset += 31
            assert await socket.read() == (PING, b"")
            socket.write(frame(b"", PONG))
            socket.write(frame(b"are you there", PING))
            assert await socket.read() == (PONG, b"are you there")


async def test_a_peer_that_never_answers_our_close_is_dropped(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(frame(b"x" * (MAX_FRAME_SIZE + 1)))
        assert (await socket.read())[1] == b'{"type":"goodbye"}'
        opcode, payload = await socket.read()
        assert (opcode, payload[:2]) == (CLOSE, struct.pack("!H", 1009))
        scene.clock.offset += 6
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await socket.read()


async def test_after_our_close_nothing_a_peer_sends_is_kept(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(frame(b"x" * (MAX_FRAME_SIZE + 1)))
        while (await socket.read())[0] != CLOSE:
            pass
        socket.write(frame(b" " * 10_000, fin=False))
        for _ in range(100):
            socket.write(frame(b" " * 10_000, CONTINUATION, fin=False))
        socket.write(frame(message(1, scene.general, "too late"), CONTINUATION))
        socket.write(frame(message(2, scene.general, "too late")))
        socket.write(frame(struct.pack("!H", 1009), CLOSE))
        assert await socket.closed() is None
    assert await scene.history("alice", scene.general) == []


# --- broken rules ---


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (frame(b"{}", masked=False), {1002}),
        (frame(b"{}", 3), {1002}),
        (frame(b"{}", 11), {1002}),
        (frame(b"x" * 126, PING), {1002}),
        (frame(b"", PING, fin=False), {1002}),
        (frame(b"\x03", CLOSE), {1002}),
        (frame(struct.pack("!H", 1005), CLOSE), {1002}),
        (frame(struct.pack("!H", 5000), CLOSE), {1002}),
        (frame(struct.pack("!H", 65_535), CLOSE), {1002}),
        (frame(b"{}", CONTINUATION), {1002}),
        (frame(struct.pack("!H", 1000) + b"\xff", CLOSE), {1002, 1007}),
        (b"GET / HTTP/1.1\r\n\r\n", {1002, 1009}),
        (b"\x81\xff" + b"\xff" * 8, {1002, 1009}),
    ],
    ids=[
        *("unmasked", "reserved opcode", "reserved control opcode", "long ping", "ping in parts"),
        *("short close", "reserved close code", "close code 5000", "close code 65535", "lone continuation"),
        *("close with bad text", "HTTP", "huge length"),
    ],
)
async def test_a_socket_that_breaks_the_websocket_rules_is_closed(scene: Scene, data: bytes, codes: set[int]) -> None:
    bob = await scene.connect("bob")
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(data)
        assert await socket.closed() in codes
    await eventually(lambda: len(scene.server.workspace.hub) == 1)
    assert (await bob.say(scene.general, "no harm done"))["ok"]


@pytest.mark.parametrize("code", [1000, 1001, 1008, 3000, 4998])
async def test_a_close_is_answered(scene: Scene, code: int) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(frame(struct.pack("!H", code), CLOSE))
        assert await socket.closed() == code
    await eventually(lambda: len(scene.server.workspace.hub) == 0)


async def test_half_a_frame_and_then_nothing(scene: Scene) -> None:
    for cut in (1, 3, 7, 20):
        async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
            socket.write(frame(message(1, scene.general, "half"))[:cut])
            await socket.drain()
            socket.hang_up()
    await eventually(lambda: len(scene.server.workspace.hub) == 0)
    assert await scene.history("alice", scene.general) == []


async def test_a_frame_that_comes_byte_by_byte(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        for byte in frame(message(1, scene.general, "slowly")):
            socket.write(bytes([byte]))
            await socket.drain()
            await asyncio.sleep(0)
        assert json.loads((await socket.read())[1])["ok"]


async def test_frames_in_fragments_with_a_ping_between_them(scene: Scene) -> None:
    data = message(1, scene.general, "in parts")
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(frame(data[:5], fin=False))
        socket.write(frame(b"still here?", PING))
        socket.write(frame(b"", CONTINUATION, fin=False))
        socket.write(frame(data[5:], CONTINUATION))
        assert await socket.read() == (PONG, b"still here?")
        assert json.loads((await socket.read())[1])["text"] == "in parts"


async def test_a_binary_frame_is_read_as_text(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        socket.write(frame(message(1, scene.general, "hi"), BINARY))
        assert json.loads((await socket.read())[1])["ok"]
        socket.write(frame(b"\x00\xff\x00", BINARY))
        assert json.loads((await socket.read())[1])["error"]["code"] == 1


async def test_a_request_for_another_path_is_404(scene: Scene) -> None:
    for path in ("nothing", "rtm", "api/rtm.connect"):
        url = scene.server.api_url.removesuffix("api/") + path
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
        async with scene.http.get(url, headers=headers) as response:
            assert response.status == 404


FRAMES = st.builds(
    frame,
    st.binary(max_size=300),
    st.integers(0, 15),
    fin=st.booleans(),
    masked=st.booleans() | st.just(True),
    first=st.sampled_from([0, 0, 0, 0x40, 0x10]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.lists(st.binary(max_size=60) | FRAMES, max_size=8))
async def test_random_bytes_do_no_harm(scene: Scene, data: list[bytes]) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as socket:
        for part in data:
            socket.write(part)
        socket.write(frame(struct.pack("!H", 1000), CLOSE) * 2)
        await socket.drain()
    await eventually(lambda: len(scene.server.workspace.hub) == 0)
    bob = await scene.connect("bob")
    assert (await bob.say(scene.general, "no harm done"))["ok"]
    await bob.close()
    await eventually(lambda: len(scene.server.workspace.hub) == 0)


REQUESTS = st.sampled_from(
    [
        b"GET /rtm/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        b"GET /rtm/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n",
        b"POST /api/api.test HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n",
        b"POST /api/api.test HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
        b"GET /rtm/x HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n",
    ]
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=REQUESTS, junk=st.binary(max_size=80), end=st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]))
async def test_random_requests_do_no_harm(scene: Scene, head: bytes, junk: bytes, end: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    writer.write(head + junk + end)
    writer.write_eof()
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()
    await scene.ok("alice", "auth.test")


@pytest.mark.parametrize("number", [0, "7", -1, 1.5, True, 2**70], ids=repr)
async def test_a_message_with_an_odd_id_is_answered_with_an_error_or_with_that_id(scene: Scene, number: object) -> None:
    alice = await scene.connect("alice")

    await alice.send(type="message", id=number, channel=scene.general, text="odd")

    answer = await alice.frame()
    assert answer["ok"] is False or answer["reply_to"] == number, answer


async def test_a_flood_of_websocket_pings_from_a_peer_that_does_not_read_takes_no_memory(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000) as socket:
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        flood = frame(b"x" * 120, PING) * 1_000
        while not connection.is_slow:
            socket.write(flood)
            await socket.drain()
        for _ in range(20):
            socket.write(flood)
        socket.write(frame(b"the last one", PING))
        await socket.drain()
        assert connection.queued_bytes < 600_000
        while (read := await socket.read()) != (PONG, b"the last one"):
            assert read == (PONG, b"x" * 120)
    assert not connection.outbox


async def test_hello_comes_before_the_answer_to_a_frame_that_was_sent_too_early(scene: Scene) -> None:
    url = (await scene.grant("alice"))["url"]
    async with RawSocket.dialled(url, early=frame(b'{"type":"ping","id":7}')) as socket:
        assert json.loads((await socket.read())[1]) == {"type": "pong", "reply_to": 7}
