"""Waiting for a message through the control API."""

import asyncio
from typing import Any

import pytest

from controlled import SECRET, ask, operate, refusal
from scene import OpenScene, Scene
from tautwire.server.log import tail
from tautwire.server.services.news import News

LONG = 30
"""Seconds that a wait may take which is to end before."""


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a wait has looked at the log and found nothing."""
    event, wait = asyncio.Event(), News.wait

    async def observed(news: News, within: float) -> None:
        event.set()
        await wait(news, within)

    monkeypatch.setattr(News, "wait", observed)
    return event


async def begin(scene: Scene, waiting: asyncio.Event, **arguments: Any) -> "asyncio.Task[dict[str, Any]]":
    """Begin a wait; return when the server waits."""
    waiting.clear()
    task = asyncio.create_task(operate(scene, "wait", timeout=LONG, **arguments))
    async with asyncio.timeout(LONG):
        await waiting.wait()
    return task


async def test_a_wait_ends_with_the_message_that_fits(scene: Scene, waiting: asyncio.Event) -> None:
    wait = await begin(scene, waiting, channel="general", user="bob", contains="deploy")

    await scene.post("alice", scene.general, "deploy it")
    await scene.post("alice", scene.ops, "deploy")
    await scene.post("bob", scene.general, "which one?")
    ts = await scene.post("bob", scene.general, "a deploy, I see")
    found = await wait

    assert (found["message"]["ts"], found["message"]["text"]) == (ts, "a deploy, I see")
    assert [(line["channel"], line["user"], line["text"]) for line in found["transcript"]] == [
        ("general", "alice", "deploy it"),
        ("ops", "alice", "deploy"),
        ("general", "bob", "which one?"),
    ]


async def test_a_message_over_rtm_ends_a_wait(scene: Scene, waiting: asyncio.Event) -> None:
    bob = await scene.connect("bob")
    wait = await begin(scene, waiting)

    await bob.say(scene.general, "over RTM")

    assert (await wait)["message"]["text"] == "over RTM"


async def test_several_wait_at_once(scene: Scene, waiting: asyncio.Event) -> None:
    waits = [await begin(scene, waiting, contains=text) for text in ("one", "two", "one")]

    await scene.post("alice", scene.general, "two")
    await scene.post("alice", scene.general, "one")

    assert [(await wait)["message"]["text"] for wait in waits] == ["one", "two", "one"]


async def test_nothing_between_an_act_and_its_wait_is_missed(scene: Scene) -> None:
    act = await operate(scene, "say", user="alice", channel="general", text="ping")
    await scene.post("bob", scene.general, "pong 1")
    await scene.post("bob", scene.general, "pong 2")

    first = await operate(scene, "wait", user="bob", after=act["position"])
    second = await operate(scene, "wait", user="bob", after=first["position"])
    third = await operate(scene, "wait", user="bob", after=second["position"], timeout=0)

    assert [each["message"] and each["message"]["text"] for each in (first, second, third)] == [
        "pong 1", "pong 2", None,
    ]  # fmt: skip


async def test_without_a_position_earlier_messages_do_not_count(scene: Scene) -> None:
    await scene.post("bob", scene.general, "early")

    missed = await operate(scene, "wait", contains="early", timeout=0)

    assert (missed["message"], missed["transcript"]) == (None, [])
    assert missed["position"] == (await operate(scene, "position"))["position"]


async def test_what_came_instead_is_told(scene: Scene) -> None:
    before = (await operate(scene, "position"))["position"]
    said = await operate(scene, "say", user="alice", channel="general", text="x" * 1_000)
    place = {"user": "alice", "channel": "general", "ts": said["ts"]}
    await operate(scene, "react", **place, name="wave")
    await operate(scene, "edit", **place, text="other")
    await operate(scene, "delete", **place)
    await operate(scene, "user.add", name="dave")

    missed = await operate(scene, "wait", user="bob", after=before, timeout=0.05)

    assert missed["message"] is None
    lines = [
        (line["type"], line["subtype"], line["channel"], line["user"], line["text"]) for line in missed["transcript"]
    ]
    assert lines[:4] == [
        ("message", None, "general", "alice", "x" * 500),
        ("reaction_added", None, "general", "alice", "wave"),
        ("message", "message_changed", "general", "alice", "other"),
        ("message", "message_deleted", "general", "alice", "other"),
    ]
    assert ("team_join", None, None, None, None) in lines
    assert {line["ts"] for line in missed["transcript"][:4]} == {said["ts"]}


async def test_a_transcript_has_the_last_hundred_events(scene: Scene) -> None:
    before = (await operate(scene, "position"))["position"]
    for number in range(105):
        await scene.post("alice", scene.general, str(number))

    missed = await operate(scene, "wait", user="bob", after=before, timeout=0)

    assert [line["text"] for line in missed["transcript"]] == [str(number) for number in range(5, 105)]


async def test_entries_that_left_the_memory_are_read_from_the_store(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MAX_TAIL", 2)
    before = (await operate(scene, "position"))["position"]
    for number in range(6):
        await scene.post("alice", scene.general, f"number {number}")
    assert scene.server.workspace.tail.oldest == scene.server.workspace.tail.position - 1

    found = [(await operate(scene, "wait", contains=f"number {n}", after=before, timeout=0)) for n in (1, 5)]

    assert [each["message"]["text"] for each in found] == ["number 1", "number 5"]
    assert [len(each["transcript"]) for each in found] == [1, 5]


async def test_a_position_of_another_log_is_refused(scene: Scene) -> None:
    epoch, _, number = (await operate(scene, "position"))["position"].partition(".")

    for position in ("", "x", f"other.{number}", f"{epoch}.{int(number) + 1}", f"{epoch}.-1", "x" * 1_000):
        assert await refusal(scene, "wait", after=position) == "unknown_position"


async def test_a_position_too_far_back_is_refused(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (await operate(scene, "position"))["position"]
    monkeypatch.setattr("tautwire.server.control.operations.reading.MAX_REPLAY", 1)
    await scene.post("alice", scene.general, "one")
    assert (await operate(scene, "wait", after=before))["message"]["text"] == "one"
    await scene.post("alice", scene.general, "two")

    assert await refusal(scene, "wait", after=before) == "position_too_old"


@pytest.mark.parametrize("seconds", [-1, 60.1, "soon", None])
async def test_a_wait_is_bounded(scene: Scene, seconds: object) -> None:
    assert await refusal(scene, "wait", timeout=seconds) == "invalid_arguments"


async def test_an_unknown_user_or_channel_is_refused_at_once(scene: Scene) -> None:
    assert await refusal(scene, "wait", user="alise", timeout=LONG) == "unknown_user"
    assert await refusal(scene, "wait", channel="genral", timeout=LONG) == "unknown_channel"


async def test_a_stop_ends_the_waits(scene: Scene, waiting: asyncio.Event) -> None:
    task = asyncio.create_task(ask(scene, "/_control/v1/wait", b'{"timeout": 60}'))
    async with asyncio.timeout(LONG):
        await waiting.wait()
        await scene.server.stop()
        reply = await task

    assert (reply.status, reply.code) == (400, "server_stopping")
