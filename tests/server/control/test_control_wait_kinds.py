"""Waiting for other things than messages through the control API."""

import asyncio
from typing import Any

import pytest

from appside import APP_SEED, AppSide
from controlled import SECRET, operate, refusal
from desk import Desk, home, modal
from scene import OpenScene, Scene


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    return await open_scene(control=True, control_secret=SECRET, seed=APP_SEED)


async def found(scene: Scene, place: dict[str, Any], /, **wanted: Any) -> dict[str, Any] | None:
    """Wait behind a place for what came already; return the event."""
    answer = await operate(scene, "wait", after=place["position"], timeout=0, **wanted)
    event = answer["message"]
    return None if event is None else dict(event)


async def entry(scene: Scene, place: dict[str, Any], /, **wanted: Any) -> dict[str, Any] | None:
    """The same for the journal."""
    line = (await operate(scene, "wait", after_entry=place["journal"], timeout=0, **wanted))["entry"]
    return None if line is None else dict(line)


async def test_an_edit_a_deletion_and_a_thread_are_told_apart(scene: Scene) -> None:
    begin = await operate(scene, "position")
    place = {"user": "alice", "channel": "general"}
    root = await operate(scene, "say", **place, text="root")
    reply = await operate(scene, "reply", **place, ts=root["ts"], text="answer")
    await operate(scene, "edit", **place, ts=reply["ts"], text="better answer")
    await operate(scene, "delete", **place, ts=reply["ts"])

    edit = await found(scene, begin, kind="edit", user="alice", contains="better", thread=root["ts"])
    deletion = await found(scene, begin, kind="deletion", channel="general", user="alice")
    message = await found(scene, begin, thread=root["ts"])

    assert edit is not None
    assert edit["message"]["text"] == "better answer"
    assert deletion is not None
    assert deletion["deleted_ts"] == reply["ts"]
    assert message is not None
    assert message["text"] == "answer"
    assert await found(scene, begin, kind="edit", contains="nothing") is None
    assert await found(scene, begin, equals="answe") is None
    assert await found(scene, begin, equals="answer") == message


async def test_reactions_joins_leaves_and_any_event(scene: Scene) -> None:
    begin = await operate(scene, "position")
    said = await operate(scene, "say", user="alice", channel="general", text="root")
    place = {"user": "bob", "channel": "general", "ts": said["ts"]}
    await operate(scene, "react", **place, name="eyes")
    await operate(scene, "unreact", **place, name="eyes")
    await operate(scene, "join", user="carol", channel="lounge")
    await operate(scene, "leave", user="carol", channel="lounge")
    await operate(scene, "channel.add", name="new-one", members=["alice"])

    assert await found(scene, begin, kind="reaction", user="bob", name=":eyes:", channel="general")
    assert await found(scene, begin, kind="reaction", name="tada") is None
    assert await found(scene, begin, kind="unreaction", name="eyes")
    assert await found(scene, begin, kind="join", user="carol", channel="lounge")
    assert await found(scene, begin, kind="join", user="bob") is None
    assert await found(scene, begin, kind="leave", user="carol")
    created = await found(scene, begin, kind="event", type="channel_created")
    assert created is not None
    assert created["channel"]["name"] == "new-one"
    assert await refusal(scene, "wait", kind="event") == "invalid_arguments"


async def test_a_call_is_found_by_method_app_and_arguments(scene: Scene) -> None:
    begin = await operate(scene, "position")
    await scene.post("desk", scene.general, "hello 5", unfurl_links=True, blocks=[{"type": "divider"}])
    wanted: dict[str, Any] = {"kind": "call", "method": "chat.postMessage", "app": "desk"}

    call = await entry(scene, begin, **wanted, channel="general", user="desk", contains="hello", status=200)
    same = await entry(scene, begin, **wanted, arguments={"unfurl_links": True, "blocks": [{"type": "divider"}]})

    assert call is not None
    assert call["answer"]["ok"]
    assert same == call
    for other in (
        {"arguments": {"unfurl_links": False}},
        {"arguments": {"none": 1}},
        {"equals": "hello"},
        {"status": 429},
    ):
        assert await entry(scene, begin, **wanted, **other) is None


async def test_a_call_that_is_awaited_ends_the_wait(scene: Scene) -> None:
    begin = await operate(scene, "position")
    wait = asyncio.create_task(
        operate(scene, "wait", kind="call", method="reactions.add", after_entry=begin["journal"], timeout=30)
    )
    ts = await scene.post("alice", scene.general, "hello")
    await scene.ok("bob", "reactions.add", channel=scene.general, timestamp=ts, name="eyes")

    answer = await wait

    assert answer["entry"]["arguments"]["name"] == "eyes"
    assert answer["journal"] == answer["entry"]["id"]


async def test_frames_envelopes_acks_and_connections(scene: Scene) -> None:
    begin = await operate(scene, "position")
    alice = await scene.connect("alice")
    link = await AppSide(scene).connect()
    await alice.send(type="typing", channel=scene.general)
    await alice.say(scene.general, "hello")
    await link.take()
    await AppSide(scene).settled()
    await alice.close()

    typing = await entry(scene, begin, kind="frame", user="alice", direction="in", payload={"type": "typing"})
    assert typing is not None
    assert await entry(scene, begin, kind="frame", user="alice", direction="in", payload={"type": "ping"}) is None
    assert await entry(scene, begin, kind="envelope", app="desk", contains="hello", channel="general")
    assert await entry(scene, begin, kind="ack", app="desk")
    assert await entry(scene, begin, kind="connection", user="alice", state="connected")
    ended = await operate(
        scene, "wait", kind="connection", user="alice", state="disconnected", after_entry=begin["journal"], timeout=30
    )
    assert ended["entry"]["ending"] == "peer"


async def test_what_does_not_come_is_answered_with_what_came(scene: Scene) -> None:
    begin = await operate(scene, "position")
    await scene.post("alice", scene.general, "hello")

    answer = await operate(
        scene,
        "wait",
        kind="call",
        method="views.open",
        after_entry=begin["journal"],
        after=begin["position"],
        timeout=0,
    )

    assert (answer["entry"], answer["message"]) == (None, None)
    assert [each["method"] for each in answer["entries"]] == ["chat.postMessage"]
    assert [(each["type"], each["user"], each["text"]) for each in answer["transcript"]] == [
        ("message", "alice", "hello")
    ]


@pytest.mark.parametrize("mark", ["nonsense", "0badc0de.1", ""])
async def test_a_wait_behind_an_unknown_entry_is_refused(scene: Scene, mark: str) -> None:
    assert await refusal(scene, "wait", kind="call", after_entry=mark, timeout=0) == "unknown_entry"


async def test_an_act_says_where_the_journal_was_before_it(scene: Scene) -> None:
    alice = await scene.connect("alice")
    said = await operate(scene, "say", user="bob", channel="general", text="hello")
    await alice.until("message")

    line = await entry(scene, said, kind="frame", user="alice", direction="out", contains="hello")

    assert line is not None
    assert line["payload"]["ts"] == said["ts"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "message", "app": "desk"},
        {"kind": "edit", "status": 200},
        {"kind": "message", "type": "message"},
        {"kind": "call", "thread": "1.1"},
        {"kind": "frame", "type": "message"},
    ],
)
async def test_a_condition_of_another_kind_is_refused(scene: Scene, wanted: dict[str, Any]) -> None:
    assert await refusal(scene, "wait", **wanted, timeout=0) == "invalid_arguments"


async def test_a_wait_for_an_event_answers_the_place_of_the_journal_at_its_begin(scene: Scene) -> None:
    begin = await operate(scene, "position")
    answer = await operate(scene, "wait", after=begin["position"], timeout=0)
    assert answer["journal"].partition(".")[0] == begin["journal"].partition(".")[0]
    assert await entry(scene, answer, kind="control", method="wait")


async def test_a_view_that_is_opened_or_changed(scene: Scene) -> None:
    desk = Desk(scene, "desk")
    begin = await operate(scene, "position")
    first = await desk.open(modal(callback_id="first"))
    opened = await operate(scene, "wait", kind="view", user="alice", name="first", after=begin["position"], timeout=0)
    assert (opened["view"]["id"], opened["message"], opened["entry"]) == (first["id"], None, None)

    wanted: dict[str, Any] = {"kind": "view", "user": "alice", "app": "desk", "after": opened["position"]}
    assert (await operate(scene, "wait", **wanted, timeout=0))["view"] is None, "it is the same as before"
    await scene.ok("desk", "views.update", view_id=first["id"], view=modal(callback_id="second"))
    changed = await operate(scene, "wait", **wanted, timeout=0)
    assert (changed["view"]["id"], changed["view"]["callback_id"]) == (first["id"], "second")
    assert (await operate(scene, "wait", **wanted, name="first", timeout=0))["view"] is None
    assert (await operate(scene, "wait", **{**wanted, "user": "bob"}, timeout=0))["view"] is None
    await desk.publish(home(callback_id="home"))
    assert (await operate(scene, "wait", **wanted, name="home", timeout=0))["view"]["type"] == "home"
    assert await refusal(scene, "wait", kind="view") == "invalid_arguments"
    assert await refusal(scene, "wait", kind="view", user="nobody") == "unknown_user"


async def test_a_view_that_is_awaited_ends_the_wait(scene: Scene) -> None:
    desk = Desk(scene, "desk")
    begin = await operate(scene, "position")
    wait = asyncio.create_task(
        operate(scene, "wait", kind="view", user="alice", name="late", after=begin["position"], timeout=30)
    )
    await desk.open(modal(callback_id="other"))
    await scene.post("alice", scene.general, "hello")
    late = await desk.open(modal(callback_id="late"))

    assert (await wait)["view"]["id"] == late["id"]


async def test_a_view_that_does_not_come_is_answered_with_what_came(scene: Scene) -> None:
    begin = await operate(scene, "position")
    await scene.post("alice", scene.general, "hello")

    answer = await operate(scene, "wait", kind="view", user="alice", after=begin["position"], timeout=0)

    assert (answer["view"], [line["text"] for line in answer["transcript"]]) == (None, ["hello"])
