"""PostgreSQL is killed under a server with live connections: what was acked is kept, and events come once, in order."""

import asyncio
import itertools
from collections.abc import Iterator

import pytest
from needs import skip_for

from scene import OpenScene, Scene, Socket, eventually, is_plain
from tautwire.server import watch
from tautwire.server.log import committer
from tools.postgres import ADVICE, Cluster, find_programs, running_cluster

pytestmark = pytest.mark.only_on("sqlite")  # the scene gets the URL of a PostgreSQL of its own


@pytest.fixture
def doomed() -> Iterator[Cluster]:
    """A PostgreSQL that only this test uses, to kill it."""
    skip_for(ADVICE if find_programs() is None else None)
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0.05)
    monkeypatch.setattr(watch, "RETRY_INTERVAL", 0.05)


class Talker:
    """A person who posts one message after the other, and remembers the answers."""

    def __init__(self, socket: Socket, channel: str, name: str) -> None:
        self._socket, self._channel, self._name = socket, channel, name
        self.acked: dict[str, str] = {}
        self.refused: list[str] = []

    async def talk(self) -> None:
        for number in itertools.count():
            text = f"{self._name} {number}"
            reply = await self._socket.say(self._channel, text)
            if reply["ok"]:
                self.acked[text] = reply["ts"]
            else:
                self.refused.append(text)
                await asyncio.sleep(0.01)


async def hear(socket: Socket, heard: list[str]) -> None:
    while True:
        frame = await socket.frame()
        if is_plain(frame):
            heard.append(frame["text"])


@pytest.mark.timeout(180)
async def test_acked_messages_are_kept_and_heard_once_though_postgres_is_killed(
    open_scene: OpenScene, doomed: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(committer, "RECONNECT_PATIENCE", 1.0)
    scene = await open_scene(database=doomed.url())
    heard: list[str] = []
    listener = asyncio.create_task(hear(await scene.connect("bob"), heard))
    talkers = [
        Talker(await scene.connect(name), scene.general, f"{name}{number}")
        for name in ("alice", "relaybot")
        for number in range(3)
    ]
    talking = [asyncio.create_task(talker.talk()) for talker in talkers]

    async def more() -> None:
        """Wait until everybody is acked again."""
        targets = [len(talker.acked) + 5 for talker in talkers]
        await eventually(
            lambda: all(len(talker.acked) >= target for talker, target in zip(talkers, targets, strict=True))
        )

    for pause in (0.0, 0.3, 2.0):  # at once, within the patience of a batch, and beyond it
        await more()
        await asyncio.to_thread(doomed.kill)
        await asyncio.sleep(pause)
        await asyncio.to_thread(doomed.start)
    await more()
    for task in talking:
        task.cancel()
    await asyncio.gather(*talking, return_exceptions=True)
    await eventually(lambda: scene.server.health.is_ready)
    await scene.post("alice", scene.general, "the end")
    await eventually(lambda: heard[-1:] == ["the end"])
    listener.cancel()

    kept = await history(scene)
    assert heard == kept, "live connections get what is stored, in order"
    assert len(set(kept)) == len(kept), "nothing is stored twice"
    acked = {text for talker in talkers for text in talker.acked}
    assert acked <= set(kept)
    caplog.clear()


async def history(scene: Scene) -> list[str]:
    """Return the texts of the channel, oldest first."""
    texts: list[str] = []
    cursor = ""
    while True:
        page = await scene.ok("bob", "conversations.history", channel=scene.general, limit=200, cursor=cursor)
        texts += [message["text"] for message in page["messages"]]
        cursor = page.get("response_metadata", {}).get("next_cursor", "")
        if not cursor:
            return texts[::-1]


async def test_an_outage_is_reported_and_ends_by_itself(
    open_scene: OpenScene, doomed: Cluster, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(committer, "RECONNECT_PATIENCE", 0.1)
    scene = await open_scene(database=doomed.url())
    bob = await scene.connect("bob")
    await asyncio.to_thread(doomed.kill)

    assert await scene.error("alice", "chat.postMessage", channel=scene.general, text="lost") == "service_unavailable"
    assert await scene.error("alice", "conversations.history", channel=scene.general) == "service_unavailable"
    await eventually(lambda: {"store", "database"} <= set(scene.server.health.faults))
    assert "restore a backup" not in scene.server.health.faults["database"]

    await asyncio.to_thread(doomed.start)
    await eventually(lambda: scene.server.health.is_ready)
    await scene.post("alice", scene.general, "back")
    assert await bob.texts() == ["back"]
    caplog.clear()
