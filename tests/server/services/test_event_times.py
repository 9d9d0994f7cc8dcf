"""The times of events: readers put events in order by them, so they grow with the log, whatever the clock does."""

import pytest

from scene import OpenScene, Scene, Socket, TurnedClock


async def _times(socket: Socket) -> list[str]:
    return [frame["event_ts"] for frame in await socket.fence() if "event_ts" in frame]


async def _act(scene: Scene) -> None:
    """Cause events of every kind of time: messages of two channels, an edit, a reply, a reaction, a pin, a deletion."""
    posted = [await scene.post("alice", channel, "hi") for channel in (scene.general, scene.ops) * 3]
    await scene.ok("alice", "chat.update", channel=scene.general, ts=posted[0], text="edited")
    reply = await scene.post("alice", scene.ops, "a reply", thread_ts=posted[1])
    await scene.ok("alice", "reactions.add", channel=scene.general, timestamp=posted[2], name="tada")
    await scene.ok("alice", "pins.add", channel=scene.ops, timestamp=posted[3])
    await scene.ok("alice", "chat.delete", channel=scene.ops, ts=reply)
    await scene.post("alice", scene.general, "the end")


@pytest.mark.parametrize("step", [-3_600.0, -0.01, 0.0, 3_600.0])
async def test_times_grow_when_the_clock_is_set_to_another_time(scene: Scene, clock: TurnedClock, step: float) -> None:
    socket = await scene.connect("alice")
    await _act(scene)

    clock.step = step
    await _act(scene)

    times = await _times(socket)
    assert len(times) >= 20
    assert times == sorted(set(times))


async def test_times_grow_over_a_start_with_a_clock_that_was_set_back(
    open_scene: OpenScene, clock: TurnedClock
) -> None:
    first = await open_scene()
    socket = await first.connect("alice")
    await _act(first)
    times = await _times(socket)
    await first.server.stop()

    clock.step = -60.0
    second = await open_scene()
    socket = await second.connect("alice")
    await _act(second)

    times += await _times(socket)
    assert times == sorted(set(times))


async def test_a_change_has_one_time(scene: Scene) -> None:
    socket = await scene.connect("alice")
    ts = await scene.post("alice", scene.general, "hi")

    await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="edited")
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)

    frames = [frame for frame in await socket.fence() if frame.get("hidden")]
    assert [frame["subtype"] for frame in frames] == ["message_changed", "message_deleted"]
    assert all(frame["event_ts"] == frame["ts"] for frame in frames)
