"""Another writer on the same database, as a second node will be: live connections get all of it once, in order."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from scene import Scene, Socket, is_plain
from second_writer import Other
from tautwire.server.services.channels import conversations


@pytest.fixture
async def other(scene: Scene) -> AsyncIterator[Other]:
    other = Other(scene)
    yield other
    await other.close()


async def texts(socket: Socket, count: int) -> list[str]:
    found = []
    while len(found) < count:
        frame = await socket.frame()
        if is_plain(frame):
            found.append(frame["text"])
    return found


async def test_what_another_writer_posts_reaches_live_connections_without_traffic(scene: Scene, other: Other) -> None:
    bob = await scene.connect("bob")

    await other.post("alice", scene.general, "from elsewhere")

    assert await texts(bob, 1) == ["from elsewhere"]


async def test_posts_of_two_busy_writers_come_once_in_the_order_of_the_log(scene: Scene, other: Other) -> None:
    bob = await scene.connect("bob")
    alice = await scene.connect("alice")
    count = 60

    async def here() -> None:
        for number in range(count):
            assert (await alice.say(scene.general, f"here {number}"))["ok"]

    async def there() -> None:
        for number in range(count):
            await other.post("alice", scene.general, f"there {number}")

    await asyncio.gather(here(), there())
    seen = await texts(bob, 2 * count)

    kept = [message["text"] for message in reversed(await scene.history("bob", scene.general, limit=1_000))]
    assert seen == kept
    assert sorted(seen) == sorted(f"{place} {number}" for place in ("here", "there") for number in range(count))
    assert await bob.fence() == [], "nothing comes twice"
    assert [text for text in await alice.texts() if text.startswith("here")] == [], "its own have their acks"


async def test_memberships_that_another_writer_changes_count_at_once(scene: Scene, other: Other) -> None:
    carol = await scene.connect("carol")
    town = (await scene.ok("alice", "conversations.create", name="town"))["channel"]["id"]
    assert not (await carol.say(town, "not a member yet")).get("ok")
    team = scene.server.workspace.team

    await other.writer.write(partial(conversations.join, team=team, who=other.who("carol"), channel=town))

    assert (await carol.say(town, "a member now"))["ok"]
    await scene.post("alice", town, "for carol")
    assert "for carol" in await carol.texts()
    await other.writer.write(partial(conversations.leave, team=team, who=other.who("carol"), channel=town))
    await scene.post("alice", town, "not for carol")
    assert "not for carol" not in await carol.texts()


async def test_timestamps_of_a_channel_grow_whoever_writes(scene: Scene, other: Other) -> None:
    stamps = []
    for number in range(10):
        stamps.append(await scene.post("alice", scene.general, str(number)))
        stamps.append(await other.post("bob", scene.general, str(number)))
    assert stamps == sorted(set(stamps))


async def test_a_client_that_resumes_gets_what_another_writer_posted(scene: Scene, other: Other) -> None:
    grant = await scene.grant("bob", resume="")
    await other.post("alice", scene.general, "while away")
    await scene.post("alice", scene.general, "and this")

    bob = await scene.connect("bob", resume=grant["position"])

    assert await bob.texts() == ["while away", "and this"]
