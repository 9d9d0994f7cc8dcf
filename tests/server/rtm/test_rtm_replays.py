"""Whoever lost a connection is told what became of the last message.

Source: wire/reconnecting.md#the-replay-of-the-last-message.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any

from rawsocket import TEXT, RawSocket, frame
from scene import Frame, Scene, eventually


async def send_and_vanish(scene: Scene, texts: Sequence[str]) -> list[Frame]:
    """Post texts as bob with the ids 1, 2, …, then be gone without a Close; return the replies by id."""
    async with RawSocket.dialled((await scene.grant("bob"))["url"]) as socket:
        for number, text in enumerate(texts, start=1):
            message = {"type": "message", "id": number, "channel": scene.general, "text": text}
            socket.write(frame(json.dumps(message).encode()))
        acks = sorted([await reply(socket) for _ in texts], key=lambda ack: ack["reply_to"])
    await eventually(lambda: not scene.server.workspace.hub.connections_of(scene.users["bob"]))
    return acks


async def reply(socket: RawSocket) -> Frame:
    while True:
        opcode, payload = await socket.read()
        assert opcode == TEXT
        event: dict[str, Any] = json.loads(payload)
        if "reply_to" in event:
            return event


async def vanish(scene: Scene, socket: RawSocket) -> None:
    """Be gone without a Close, and wait until the server knows."""
    hub, bob = scene.server.workspace.hub, scene.users["bob"]
    before = len(hub.connections_of(bob))
    socket.hang_up()
    await eventually(lambda: len(hub.connections_of(bob)) < before)


async def replays(scene: Scene, who: str = "bob") -> list[Frame]:
    """Connect, leave again, and return what was a replay."""
    socket = await scene.connect(who)
    frames = await socket.fence()
    await socket.close()
    return [each for each in frames if "reply_to" in each]


async def test_the_next_connection_is_told_of_the_last_message_once(scene: Scene) -> None:
    _, last = await send_and_vanish(scene, ["first", "a &amp; b"])

    assert await replays(scene, "alice") == []
    assert await replays(scene) == [
        {
            "reply_to": 2,
            "type": "message",
            "channel": scene.general,
            "user": scene.users["bob"],
            "text": "a &amp; b",
            "ts": last["ts"],
        }
    ]
    assert await replays(scene) == []


async def test_it_is_the_first_after_hello(scene: Scene) -> None:
    await send_and_vanish(scene, ["mine"])
    grant = await scene.grant("bob")
    await scene.post("alice", scene.general, "in between")
    async with RawSocket.dialled(grant["url"]) as socket:
        first, second = [json.loads((await socket.read())[1]) for _ in range(2)]
    assert (first["text"], first["reply_to"]) == ("mine", 1)
    assert second["text"] == "in between"


async def test_whoever_closes_properly_is_told_nothing(scene: Scene) -> None:
    bob = await scene.connect("bob")
    await bob.say(scene.general, "x")
    await bob.close()
    assert await replays(scene) == []


async def test_after_a_minute_it_is_forgotten(scene: Scene) -> None:
    await send_and_vanish(scene, ["x"])
    scene.clock.offset += 61
    await scene.server_swept()  # which also closes the HTTP connection: it must not be in use then
    assert await replays(scene) == []


async def test_a_message_that_was_refused_is_not_told(scene: Scene) -> None:
    *_, refused = await send_and_vanish(scene, ["stored", ""])
    assert not refused["ok"]
    assert [each["reply_to"] for each in await replays(scene)] == [1]


async def test_a_message_without_an_id_is_not_told(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("bob"))["url"]) as socket:
        message = {"type": "message", "channel": scene.general, "text": "no id"}
        socket.write(frame(json.dumps(message).encode()))
        assert json.loads((await socket.read())[1])["ok"]
        await vanish(scene, socket)
    assert await replays(scene) == []
    assert [each["text"] for each in await scene.history("bob", scene.general)] == ["no id"]


async def test_a_message_that_is_stored_after_the_connection_was_lost_is_told(scene: Scene) -> None:
    """The writer is held up until the connection is gone."""
    held = threading.Event()
    scene.server.workspace.writer.post(lambda _: held.wait(10), lambda _result, _error: None)
    async with RawSocket.dialled((await scene.grant("bob"))["url"]) as socket:
        message = {"type": "message", "id": 7, "channel": scene.general, "text": "late"}
        socket.write(frame(json.dumps(message).encode()))
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["bob"])
        await eventually(lambda: connection.session._pending == 1)
    await eventually(lambda: not scene.server.workspace.hub.connections_of(scene.users["bob"]))
    held.set()
    await scene.post("alice", scene.general, "fence")
    assert [(each["reply_to"], each["text"]) for each in await replays(scene)] == [(7, "late")]


async def test_while_another_connection_of_the_user_lives_nothing_is_told(scene: Scene) -> None:
    """Both may be programs of their own; which of them comes again, nobody can tell."""
    other = await scene.connect("bob")
    async with RawSocket.dialled((await scene.grant("bob"))["url"]) as socket:
        message = {"type": "message", "id": 1, "channel": scene.general, "text": "x"}
        socket.write(frame(json.dumps(message).encode()))
        assert (await reply(socket))["ok"]
        await vanish(scene, socket)
    assert await replays(scene) == []
    await other.close()
    assert await replays(scene) == []


async def test_nor_when_that_is_lost_soon_after(scene: Scene) -> None:
    async with (
        RawSocket.dialled((await scene.grant("bob"))["url"]) as first,
        RawSocket.dialled((await scene.grant("bob"))["url"]) as second,
    ):
        message = {"type": "message", "id": 1, "channel": scene.general, "text": "x"}
        second.write(frame(json.dumps(message).encode()))
        assert (await reply(second))["ok"]
        await vanish(scene, first)
        await vanish(scene, second)
    assert await replays(scene) == []
