"""A connection that catches up from disk may end at any moment of it, and so may the server."""

import asyncio
from typing import Any

import pytest

from rawsocket import RawSocket
from scene import OpenScene, Scene, Socket, eventually
from tautwire.server.log.tail import read_entries
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.door import Door
from tautwire.server.store.reader import Reader


class HeldReads:
    """Lets pages of the log be read, and keeps them back until ``release`` is set."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.release = asyncio.Event()

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        read = Reader.read

        async def held(reader: Reader, function: Any) -> Any:
            result = await read(reader, function)
            if getattr(function, "func", None) is read_entries:
                self.began.set()
                await self.release.wait()
            return result

        monkeypatch.setattr(Reader, "read", held)


@pytest.fixture
async def held(monkeypatch: pytest.MonkeyPatch) -> HeldReads:
    """Nothing of the log is in memory, as after a start, and pages of it are kept back."""
    monkeypatch.setattr("tautwire.server.log.tail.MAX_TAIL", 0)
    reads = HeldReads()
    reads.patch(monkeypatch)
    return reads


def door_of(connection: RtmConnection) -> Door:
    host: Any = connection._host
    assert isinstance(host, Door)
    return host


async def a_door(scene: Scene) -> tuple[Socket, Door]:
    """Return a live connection of carol, who is in no channel, and the door it came through."""
    carol = await scene.connect("carol")
    (connection,) = scene.server.workspace.hub.connections_of(scene.users["carol"])
    assert isinstance(connection, RtmConnection)
    return carol, door_of(connection)


async def test_a_connection_that_ends_while_its_last_page_is_read_never_goes_live(
    open_scene: OpenScene, held: HeldReads
) -> None:
    scene = await open_scene()
    _, door = await a_door(scene)
    hub = scene.server.workspace.hub
    grant = await scene.grant("alice", resume="")
    await scene.post("bob", scene.general, "missed")
    async with RawSocket.dialled(grant["url"]) as alice:
        await held.began.wait()
        (connection,) = [each for each in door.connections if each.user == scene.users["alice"]]
        alice.hang_up()
        await eventually(lambda: connection.ended is not None)
    held.release.set()
    await eventually(lambda: not door._opening)

    assert not hub.connections_of(scene.users["alice"])
    assert (await scene.ok("alice", "users.getPresence"))["presence"] == "away"
    await scene.post("bob", scene.general, "said to carol alone")
    assert not connection.outbox, "nothing is kept for a connection that is gone"


async def test_a_catch_up_that_is_over_is_forgotten(open_scene: OpenScene, held: HeldReads) -> None:
    held.release.set()
    scene = await open_scene()
    _, door = await a_door(scene)
    grant = await scene.grant("alice")
    await scene.post("bob", scene.general, "missed")
    alice = await scene.dial(grant)
    assert (await alice.until("message"))["text"] == "missed"
    await eventually(lambda: not door._opening)


async def test_a_server_that_stops_ends_a_connection_that_catches_up(open_scene: OpenScene, held: HeldReads) -> None:
    scene = await open_scene()
    _, door = await a_door(scene)
    grant = await scene.grant("alice", resume="")
    await scene.post("bob", scene.general, "missed")
    alice = await scene.dial(grant)
    assert await alice.frame() == {"type": "hello"}
    await held.began.wait()
    (task,) = door._opening

    ending = asyncio.create_task(alice.ended())
    await scene.server.stop()

    assert task.cancelled()
    assert await ending == 1001
    assert not door._opening
