"""The operations that look at a running server: its status and the events of its log."""

import asyncio

import pytest

from controlled import SECRET, operate, refusal
from scene import OpenScene, Scene
from tautwire.server.counts import Distribution
from tautwire.server.log import tail


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def test_the_status_counts_connections_by_door(scene: Scene) -> None:
    await scene.connect("alice")
    await scene.connect("relaybot")

    found = await operate(scene, "status")

    assert found["connections"]["rtm"] == 2
    assert found["connections"]["socket_mode"] == 0
    assert found["head"] == scene.server.workspace.tail.position


async def test_the_status_has_the_faults_of_the_whole_server(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.server.health.fault("upstream", "it is far away")
    caplog.clear()

    found = await operate(scene, "status")

    assert (found["ready"], found["faults"]) == (False, {"upstream": "it is far away"})


async def test_events_are_the_last_ones_and_then_those_that_follow(scene: Scene) -> None:
    for number in range(4):
        await scene.post("alice", scene.general, f"number {number}")

    first = await operate(scene, "events", limit=2)
    await scene.post("bob", scene.general, "later")
    then = await operate(scene, "events", after=first["position"])

    assert [each["line"]["text"] for each in first["events"]] == ["number 2", "number 3"]
    assert [(each["line"]["user"], each["line"]["text"]) for each in then["events"]] == [("bob", "later")]
    assert (await operate(scene, "events", after=then["position"]))["events"] == []


async def test_events_behind_a_position_come_in_parts_without_a_hole(scene: Scene) -> None:
    start = (await operate(scene, "position"))["position"]
    for number in range(5):
        await scene.post("alice", scene.general, f"number {number}")

    texts, position = [], start
    for _ in range(3):
        found = await operate(scene, "events", after=position, limit=2)
        texts += [each["event"]["text"] for each in found["events"]]
        position = found["position"]

    assert texts == [f"number {number}" for number in range(5)]


async def test_a_call_waits_for_the_next_event_of_its_channel(scene: Scene) -> None:
    start = (await operate(scene, "position"))["position"]
    task = asyncio.create_task(operate(scene, "events", after=start, channel="ops", timeout=30))
    await scene.post("alice", scene.general, "elsewhere")
    await scene.post("alice", scene.ops, "here")

    found = await task

    assert [each["line"]["text"] for each in found["events"]] == ["here"]


async def test_only_messages_edits_and_deletions_are_events_unless_all_are_wanted(scene: Scene) -> None:
    start = (await operate(scene, "position"))["position"]
    ts = await scene.post("alice", scene.general, "first")
    await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="second")
    await scene.ok("alice", "reactions.add", channel=scene.general, timestamp=ts, name="tada")
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)

    said = await operate(scene, "events", after=start)
    everything = await operate(scene, "events", after=start, all=True)

    assert [each["line"]["subtype"] for each in said["events"]] == [None, "message_changed", "message_deleted"]
    assert "reaction_added" in [each["line"]["type"] for each in everything["events"]]


async def test_a_position_of_another_log_is_refused(scene: Scene) -> None:
    assert await refusal(scene, "events", after="nobody.7") == "unknown_position"


async def test_the_newest_entries_alone_are_looked_through(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.server.control.operations.looking.MAX_REPLAY", 1)
    assert tail.MAX_REPLAY > 1
    for number in range(3):
        await scene.post("alice", scene.general, f"number {number}")

    found = await operate(scene, "events")

    assert [each["line"]["text"] for each in found["events"]] == ["number 2"]


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ((), 0.5, None),
        ((0.5,), 0.5, 0.5),
        ((0.5, 0.5, 3.0, 3.0), 0.5, 1.0),
        ((3.0,) * 4, 0.5, 3.0),
        ((9.0,), 0.99, 4.0),
    ],
)
def test_a_quantile_is_estimated_from_ranges(values: tuple[float, ...], share: float, expected: float | None) -> None:
    distribution = Distribution((1.0, 2.0, 4.0))
    for value in values:
        distribution.observe(value)

    assert distribution.quantile(share) == expected
