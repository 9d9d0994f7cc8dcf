"""The time of a workspace through the control API."""

from typing import Any

import pytest

from controlled import SECRET, operate, refusal
from scene import OpenScene, Scene, eventually
from sites import Site, failing, ok, seed, tap

DAY = 86_400


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


async def now(scene: Scene) -> float:
    return float((await operate(scene, "time.read"))["now"])


async def test_a_message_scheduled_for_tomorrow_comes_at_once_to_a_connection_that_stays(scene: Scene) -> None:
    alice = await scene.connect("alice")
    due = int(await now(scene)) + DAY
    await scene.ok("bob", "chat.scheduleMessage", channel=scene.general, text="good morning", post_at=due)

    turned = await operate(scene, "time.turn", seconds=DAY + 1)

    event = await alice.until("message")
    assert event["text"] == "good morning"
    assert float(event["ts"]) >= due
    assert (round(turned["ahead"]), turned["is_frozen"]) == (DAY + 1, False)
    assert (await alice.say(scene.general, "I am still here"))["ok"]


async def test_time_stands_and_goes_on(scene: Scene) -> None:
    await operate(scene, "time.freeze")
    first = await now(scene)
    stamps = [await scene.post("alice", scene.general, str(number)) for number in range(3)]
    stood = await operate(scene, "time.read")
    await operate(scene, "time.turn", seconds=60)
    turned = await now(scene)
    thawed = await operate(scene, "time.thaw")

    assert stood["now"] == first
    assert stood["is_frozen"]
    assert sorted(set(stamps)) == stamps
    assert float(stamps[-1]) - first < 0.001
    assert turned == first + 60
    assert not thawed["is_frozen"]
    assert thawed["now"] >= turned


async def test_a_token_expires_and_a_ticket_too_when_time_is_turned(scene: Scene) -> None:
    issued = await operate(scene, "token.issue", user="carol", lifetime=600)
    scene.tokens["short"] = issued["token"]
    await scene.ok("short", "auth.test")
    grant = await scene.grant("alice")

    await operate(scene, "time.turn", seconds=601)

    assert await scene.error("short", "auth.test") == "token_expired"
    late = await scene.dial(grant)
    assert (await late.frame())["error"]["msg"]
    assert await late.ended() is not None


async def test_the_second_retry_of_a_delivery_comes_after_a_turn_of_five_minutes(
    open_scene: OpenScene,
    site: Site,
) -> None:
    scene = await open_scene(control=True, control_secret=SECRET, seed=seed(desk=site.url))
    await eventually(lambda: bool(tap(scene).is_running))
    site.answer = failing
    await scene.post("alice", scene.general, "hello")
    first, second = await site.take(), await site.take()

    await eventually(lambda: tap(scene)._window.next_due is not None)
    await operate(scene, "time.turn", seconds=61)
    third = await site.take()
    site.answer = ok
    await eventually(lambda: tap(scene)._window.next_due is not None)
    await operate(scene, "time.turn", seconds=301)
    fourth = await site.take()

    assert [each.retry[0] for each in (first, second, third, fourth)] == [None, "1", "2", "3"]
    assert {each.payload["event_id"] for each in (first, second, third, fourth)} == {first.payload["event_id"]}
    # A receiver compares the time of a signature with its own.
    assert abs(int(fourth.headers["X-Slack-Request-Timestamp"]) - scene.clock.seconds()) < 60


async def test_only_the_workspace_is_turned(open_scene: OpenScene, scene: Scene) -> None:
    await operate(scene, "time.turn", seconds=DAY)

    assert scene.server.workspace.clock.seconds() - scene.clock.seconds() >= DAY - 1


async def test_time_is_turned_by_ten_years_at_most(scene: Scene) -> None:
    await operate(scene, "time.turn", seconds=300_000_000)

    assert await refusal(scene, "time.turn", seconds=300_000_000) == "too_far"
    await scene.post("alice", scene.general, "hello")


@pytest.mark.parametrize("seconds", [-1, 1e12, "soon", None])
async def test_a_turn_that_cannot_be_is_refused(scene: Scene, seconds: Any) -> None:
    assert await refusal(scene, "time.turn", seconds=seconds) == "invalid_arguments"
