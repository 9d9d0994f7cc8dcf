"""Slow readers are cut, others are not held up, and a server that stops says goodbye.

Source: wire/limits.md#unread-output, wire/reconnecting.md#how-a-session-ends.
"""

import asyncio
import json
import struct
import threading
import time
from typing import Any

import pytest

from rawsocket import CLOSE, TEXT, RawSocket, frame
from scene import ConnectionEnded, OpenScene, Scene, Socket, eventually, is_plain
from tautwire.server.rtm.commands import Commands
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.door import Door
from tautwire.server.sockets.connection import HIGH_WATER
from tautwire.server.sockets.keeper import Keeper

BULKY = "x" * 10_000


def long_blocks(length: int) -> list[dict[str, Any]]:
    """Return blocks with a text of that many characters."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": "y" * length}]}
    return [{"type": "rich_text", "elements": [section]}]


async def read_all(socket: RawSocket) -> tuple[list[str], list[str], int | None]:
    """Read to the end; return the first words of messages, the types of other events, and the code of the Close."""
    texts: list[str] = []
    others: list[str] = []
    code = None
    try:
        while True:
            opcode, payload = await socket.read()
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0]
                socket.write(frame(payload[:2], CLOSE))
            elif opcode == TEXT:
                event = json.loads(payload)
                if is_plain(event):
                    texts.append(event["text"].split()[0])
                else:
                    others.append(event["type"])
    except (asyncio.IncompleteReadError, ConnectionError):
        return texts, others, code


async def test_a_reader_that_stalls_is_cut_and_everybody_else_gets_everything(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=200_000)
    bob = await scene.connect("bob")
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000) as stalled:
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        posted = 0
        while scene.server.workspace.hub.connections_of(scene.users["alice"]):
            await scene.post("relaybot", scene.general, f"{posted} {BULKY}")
            posted += 1
            waiting = connection.outbox.size + connection._transport.get_write_buffer_size()
            assert waiting < HIGH_WATER + 200_000 + 70_000
            assert posted < 1_000
        for _ in range(5):
            await scene.post("relaybot", scene.general, f"{posted} {BULKY}")
            posted += 1
        assert connection.outbox.size == 0, "nothing is kept for who is gone"
        assert [text.split()[0] for text in await bob.texts()] == [str(n) for n in range(posted)]
        texts, others, code = await read_all(stalled)

    assert texts == [str(n) for n in range(len(texts))], "a piece from the start, without a gap"
    assert (others, code) == (["goodbye"], 1008)


async def test_a_burst_beyond_the_limit_does_not_cut_a_peer_that_reads(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=200_000)
    bob = await scene.connect("bob")
    held = threading.Event()
    scene.server.workspace.writer.post(lambda _: held.wait(10), lambda _result, _error: None)
    posts = [asyncio.create_task(scene.post("relaybot", scene.general, f"{n} {BULKY}")) for n in range(60)]
    await eventually(lambda: scene.server.workspace.writer.waiting > 60)
    held.set()  # all of them are committed, and delivered, together
    await asyncio.gather(*posts)
    texts = [(await bob.until(is_plain))["text"] for _ in range(60)]
    assert sorted(int(text.split()[0]) for text in texts) == list(range(60))


async def test_an_event_beyond_the_limit_does_not_cut_a_peer_for_the_next_one(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=200_000)
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000) as alice:
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        structure = long_blocks(190_000)
        for number in range(3):
            await scene.post("bob", scene.general, str(number), blocks=structure, attachments=structure)
            if connection.is_slow:
                break
        assert connection.is_slow
        await scene.post("bob", scene.general, "right behind")
        texts: list[str] = []
        while "right behind" not in texts:
            _, payload = await alice.read()
            texts.append(json.loads(payload)["text"])
        assert texts == [*map(str, range(number + 1)), "right behind"]


async def test_a_burst_is_bounded_for_a_peer_that_reads_too(
    open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.sockets.connection.MAX_BURST", 100_000)
    scene = await open_scene(backlog_limit=50_000)
    bob = await scene.connect("bob")
    structure = long_blocks(60_000)
    held = threading.Event()
    scene.server.workspace.writer.post(lambda _: held.wait(10), lambda _result, _error: None)
    posts = [asyncio.create_task(scene.post("relaybot", scene.general, "x", blocks=structure)) for _ in range(3)]
    await eventually(lambda: scene.server.workspace.writer.waiting > 3)
    held.set()
    await asyncio.gather(*posts)
    assert await bob.ended() == 1008


async def test_a_reader_that_stalls_for_too_long_is_cut_though_little_waits(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=50_000_000, silence_limit=10_000, ping_interval=10_000)
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000) as stalled:
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        posted = 0
        while not connection.is_slow:
            await scene.post("relaybot", scene.general, f"{posted} {BULKY}")
            posted += 1
        scene.clock.offset += 9
        await scene.server_swept()
        assert scene.server.workspace.hub.connections_of(scene.users["alice"])
        scene.clock.offset += 2
        await eventually(lambda: not scene.server.workspace.hub.connections_of(scene.users["alice"]))
        texts, others, code = await read_all(stalled)
    assert texts == [str(n) for n in range(len(texts))]
    assert (others, code) == (["goodbye"], 1008)


async def test_a_reader_that_stalls_and_goes_on_misses_nothing(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=50_000_000)
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000) as stalled:
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        posted = 0
        while not connection.is_slow:
            await scene.post("relaybot", scene.general, f"{posted} {BULKY}")
            posted += 1
        for _ in range(10):
            await scene.post("relaybot", scene.general, f"{posted} {BULKY}")
            posted += 1
        for number in range(posted):
            _, payload = await stalled.read()
            assert json.loads(payload)["text"].split()[0] == str(number)
        assert not connection.is_slow


async def test_what_waits_for_a_peer_that_hangs_up_is_dropped(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=50_000_000)
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000) as stalled:
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        writes: list[bytes] = []
        connection._write = writes.append  # the system takes nothing any more
        connection._paging = True
        await scene.post("relaybot", scene.general, BULKY)
        assert connection.outbox
        stalled.hang_up()
        await eventually(lambda: connection.ended is not None)
    assert not connection.outbox
    assert not writes


async def test_a_stalled_reader_is_dropped_when_it_does_not_read_the_close_either(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=100_000)
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000):
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        while connection.ended is None:
            await scene.post("relaybot", scene.general, BULKY)
        scene.clock.offset += 6
        await eventually(lambda: connection._socket.is_disconnected)


async def test_who_stalls_in_front_of_a_private_goodbye_does_not_hold_up_the_stop(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=50_000_000)
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000):
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        while not connection.is_slow:
            await scene.post("relaybot", scene.general, BULKY)
        begin = time.monotonic()
        await scene.server.stop()
        assert time.monotonic() - begin < 2


# --- stop ---


async def test_a_server_that_stops_says_goodbye_and_closes_with_1001(scene: Scene) -> None:
    sockets = [await scene.connect(name) for name in ("alice", "alice", "bob", "relaybot")]

    async def farewell(socket: Socket) -> int | None:
        assert await socket.frame() == {"type": "goodbye"}
        return await socket.ended()

    farewells = [asyncio.create_task(farewell(socket)) for socket in sockets]
    await scene.server.stop()
    assert await asyncio.gather(*farewells) == [1001] * 4


async def test_between_goodbye_and_close_what_was_begun_is_finished(open_scene: OpenScene) -> None:
    scene = await open_scene(drain=0.5)
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    stopping = asyncio.create_task(scene.server.stop())
    await alice.until("goodbye")
    ack = await alice.say(scene.general, "one last thing")
    assert ack["ok"]
    assert (await bob.until(is_plain))["text"] == "one last thing"
    assert await alice.ended() == await bob.ended() == 1001
    await stopping
    await scene.server.start()
    assert [message["ts"] for message in await scene.history("bob", scene.general)] == [ack["ts"]]


async def talk(scene: Scene, socket: Socket, acked: list[str]) -> None:
    """Post until the connection ends."""
    while True:
        try:
            acked.append((await socket.say(scene.general, "x"))["ts"])
        except (ConnectionEnded, ConnectionError):
            return


async def test_what_was_acked_before_the_stop_is_there_after_it(scene: Scene) -> None:
    """Nothing is acked and then lost, however the stop falls between the frames."""
    acked: list[str] = []
    for _ in range(5):
        alice = await scene.connect("alice")

        enough = len(acked) + 3
        talking = asyncio.create_task(talk(scene, alice, acked))
        await eventually(lambda: len(acked) >= enough)  # noqa: B023 - awaited here
        await scene.server.stop()
        await talking
        await scene.server.start()
    kept = {message["ts"] for message in await scene.history("bob", scene.general, limit=1_000)}
    assert set(acked) <= kept
    assert len(acked) > 10


async def test_a_peer_that_ignores_the_close_does_not_hold_up_the_stop(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]):
        begin = time.monotonic()
        await scene.server.stop()
        assert time.monotonic() - begin < 2


async def test_half_a_request_does_not_hold_up_the_stop(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    _, idle = await asyncio.open_connection("127.0.0.1", scene.server.port)
    _, half = await asyncio.open_connection("127.0.0.1", scene.server.port)
    half.write(b"POST /api/auth.test HTTP/1.1\r\nHost: x\r\n")
    _, body = await asyncio.open_connection("127.0.0.1", scene.server.port)
    body.write(b"POST /api/auth.test HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    await scene.ok("alice", "auth.test")
    begin = time.monotonic()
    await scene.server.stop()
    assert time.monotonic() - begin < 5
    caplog.clear()  # uvicorn tells that it cancelled a request
    for writer in (idle, half, body):
        writer.close()


async def test_stopping_twice_and_starting_again(scene: Scene) -> None:
    await scene.server.stop()
    await scene.server.stop()
    await scene.server.start()
    alice = await scene.connect("alice")
    assert (await alice.say(scene.general, "again"))["ok"]


async def test_nobody_gets_in_while_the_server_stops(open_scene: OpenScene) -> None:
    scene = await open_scene(drain=0.3)
    grant = await scene.grant("bob")
    alice = await scene.connect("alice")
    stopping = asyncio.create_task(scene.server.stop())
    await alice.until("goodbye")
    with pytest.raises(OSError, match=r"(?i)connect"):
        await scene.dial(grant)
    await stopping


async def test_a_sender_whose_answer_cannot_be_sent_is_cut_off_and_comes_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bob = await scene.connect("bob")
    alice = await scene.connect("alice")

    def fails(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Commands, "_reply", fails)
        await alice.send(type="message", id=1, channel=scene.general, text="stored")
        await alice.ended()
    assert await bob.texts() == ["stored"]
    assert "the answer to its message could not be sent" in caplog.text
    caplog.clear()
    again = await scene.connect("alice")
    assert (await again.say(scene.general, "hi"))["ok"]


def door_of(connection: RtmConnection) -> Door:
    door = connection._host
    assert isinstance(door, Door)
    return door


async def test_after_a_stop_no_socket_is_left_though_a_peer_never_answers(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]):
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        door = door_of(connection)
        await door.stop()
        await eventually(lambda: not door.connections)


async def test_a_peer_has_a_moment_to_answer_the_close_of_a_stop(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.server.sockets.keeper.END_PATIENCE", 10.0)
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as alice:
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        door = door_of(connection)
        stopping = asyncio.create_task(door.stop())
        assert (await alice.read())[0] == TEXT
        opcode, payload = await alice.read()
        assert opcode == CLOSE
        assert not stopping.done()
        assert list(door.connections) == [connection]
        alice.write(frame(payload[:2], CLOSE))
        await asyncio.wait_for(stopping, 5)
        assert not door.connections


async def test_one_connection_that_cannot_be_told_of_the_stop_is_dropped_and_the_others_are_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    say_goodbye = Keeper._say_goodbye
    alice, bob = await scene.connect("alice"), await scene.connect("bob")

    def fails_for_alice(keeper: Keeper[RtmConnection], connection: RtmConnection) -> None:
        if connection.user == scene.users["alice"]:
            raise MemoryError
        say_goodbye(keeper, connection)

    monkeypatch.setattr(Keeper, "_say_goodbye", fails_for_alice)
    (connection,) = scene.server.workspace.hub.connections_of(scene.users["bob"])
    stopping = asyncio.create_task(door_of(connection).stop())
    assert await alice.ended() == 1006
    await bob.until("goodbye")
    assert await bob.ended() == 1001
    await stopping
    assert "goodbye could not be sent" in caplog.text
    caplog.clear()
