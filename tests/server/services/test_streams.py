"""Messages that grow: chat.startStream, appendStream and stopStream. Vectors: wire/assistants.md#test-vectors."""

from typing import Any

import pytest

from samples import stream
from scene import OpenScene, Scene, TurnedClock
from tautwire.server.services.errors import MethodError
from tautwire.server.services.messaging.chunks import Parts
from tautwire.server.services.messaging.streams import PATIENCE

Json = dict[str, Any]


def task(**members: Any) -> Json:
    return {"type": "task_update", "id": "t1", **members}


async def append(scene: Scene, ts: str, text: str = "", **arguments: Any) -> Json:
    return await scene.ok(
        "relaybot", "chat.appendStream", channel=scene.general, ts=ts, markdown_text=text or None, **arguments
    )


async def stop(scene: Scene, ts: str, **arguments: Any) -> Json:
    return await scene.ok("relaybot", "chat.stopStream", channel=scene.general, ts=ts, **arguments)


async def test_members_see_a_message_grow(scene: Scene) -> None:
    bob, carol = await scene.connect("bob"), await scene.connect("carol")
    ts = await stream(scene, "relaybot", scene.general)
    await append(scene, ts, " and **more**")
    answer = await stop(scene, ts, markdown_text=".", metadata={"event_type": "e", "event_payload": {}})

    first, second, third = await bob.fence()
    assert (first["ts"], first["text"], first["streaming_state"]) == (ts, "so far", "in_progress")
    assert first["user"] == scene.users["relaybot"]
    assert (second["subtype"], second["message"]["text"]) == ("message_changed", "so far and *more*")
    assert second["message"]["streaming_state"] == "in_progress"
    assert third["message"]["text"] == "so far and *more*."
    assert third["message"]["streaming_state"] == "completed"
    assert "edited" not in third["message"]
    assert answer["message"] == third["message"]
    assert answer["message"]["metadata"] == {"event_type": "e", "event_payload": {}}
    assert "blocks" not in answer["message"]
    assert await carol.fence() == []
    history = await scene.ok("bob", "conversations.history", channel=scene.general, include_all_metadata=True)
    assert history["messages"][0] == answer["message"]


async def test_a_stream_is_a_reply_in_a_thread_and_begins_empty(scene: Scene) -> None:
    parent = await scene.post("bob", scene.general, "question")
    bob = await scene.connect("bob")
    recipient = {"recipient_user_id": scene.users["bob"], "recipient_team_id": scene.directory.team["id"]}
    await scene.ok("relaybot", "chat.startStream", channel=scene.general, thread_ts=parent, **recipient)

    reply, replied = await bob.fence()
    assert (reply["thread_ts"], reply["text"]) == (parent, "")
    assert replied["subtype"] == "message_replied"


async def test_tasks_and_blocks_stand_between_the_texts(scene: Scene) -> None:
    ts = await stream(scene, "relaybot", scene.general)
    await append(scene, ts, chunks=[task(title="Look", status="in_progress", details="one ")])
    await append(scene, ts, chunks=[{"type": "markdown_text", "text": "after"}, task(details="two", status="complete")])
    answer = await stop(scene, ts, chunks=[task(output="done")], blocks=[{"type": "divider"}])

    first, card, second, divider = answer["message"]["blocks"]
    assert (first, second) == ({"type": "markdown", "text": "so far"}, {"type": "markdown", "text": "after"})
    assert (card["type"], card["task_id"], card["title"]) == ("task_card", "t1", "Look")
    assert card["details"]["elements"][0]["elements"] == [{"type": "text", "text": "one two"}]
    assert card["output"]["elements"][0]["elements"] == [{"type": "text", "text": "done"}]
    assert divider["type"] == "divider"
    assert divider["block_id"]
    assert answer["message"]["text"] == "so farafter"


async def test_in_the_mode_plan_all_tasks_are_in_one_block(scene: Scene) -> None:
    recipient = {"recipient_user_id": scene.users["bob"], "recipient_team_id": scene.directory.team["id"]}
    chunks = [{"type": "plan_update", "title": "Plan"}, task(title="a"), task(id="t2", title="b")]
    started = await scene.ok(
        "relaybot", "chat.startStream", channel=scene.general, chunks=chunks, task_display_mode="plan", **recipient
    )
    answer = await stop(scene, started["ts"])

    (plan,) = answer["message"]["blocks"]
    assert (plan["type"], plan["title"]) == ("plan", "Plan")
    assert [card["task_id"] for card in plan["tasks"]] == ["t1", "t2"]


async def test_a_stopped_stream_takes_no_more_and_can_be_edited(scene: Scene) -> None:
    ts = await stream(scene, "relaybot", scene.general)
    edit = {"channel": scene.general, "ts": ts, "text": "edited"}
    assert await scene.error("relaybot", "chat.update", **edit) == "streaming_state_conflict"
    await stop(scene, ts)

    for verb in ("appendStream", "stopStream"):
        error = await scene.error("relaybot", f"chat.{verb}", channel=scene.general, ts=ts, markdown_text="x")
        assert error == "message_not_in_streaming_state"
    assert (await scene.ok("relaybot", "chat.update", **edit))["message"]["text"] == "edited"


async def test_who_and_what_a_stream_needs(scene: Scene) -> None:
    user, team = scene.users["bob"], scene.directory.team["id"]

    async def error(**arguments: Any) -> str:
        given = {"channel": scene.general, "recipient_user_id": user, "recipient_team_id": team} | arguments
        return await scene.error("relaybot", "chat.startStream", **given)

    assert await error(recipient_user_id=None) == "missing_recipient_user_id"
    assert await error(recipient_team_id=None) == "missing_recipient_team_id"
    assert await error(recipient_user_id="U0") == "user_not_found"
    assert await error(recipient_team_id="T0") == "team_not_found"
    assert await error(channel="C0") == "channel_not_found"
    assert await error(task_display_mode="board") == "invalid_arguments"
    assert await error(markdown_text="x" * 12_001) == "msg_blocks_too_long"
    town = (await scene.ok("bob", "conversations.create", name="town"))["channel"]["id"]
    assert await error(channel=town) == "not_in_channel"
    direct = (await scene.ok("relaybot", "conversations.open", users=user))["channel"]["id"]
    await scene.ok("relaybot", "chat.startStream", channel=direct, markdown_text="hi")
    assert await scene.error("alice", "chat.startStream", channel=scene.general) == "not_allowed_token_type"


async def test_what_cannot_be_appended(scene: Scene) -> None:
    ts = await stream(scene, "relaybot", scene.general)
    plain = await scene.post("relaybot", scene.general, "plain")
    theirs = await scene.post("bob", scene.general, "bob's")

    async def error(**arguments: Any) -> str:
        given = {"channel": scene.general, "ts": ts, "markdown_text": "x"} | arguments
        return await scene.error("relaybot", "chat.appendStream", **given)

    assert await error(markdown_text=None) == "no_text"
    assert await error(ts="1.1") == "message_not_found"
    assert await error(ts=theirs) == "message_not_owned_by_app"
    assert await error(ts=plain) == "message_not_in_streaming_state"
    assert await error(chunks=[{"type": "dance"}]) == "invalid_chunks"
    assert await error(chunks={"type": "markdown_text"}) == "invalid_chunks"
    assert await error(chunks=[{"type": "blocks", "blocks": [{"type": "divider"}] * 51}]) == "msg_blocks_too_many"
    assert (await stop(scene, ts))["message"]["text"] == "so far", "a refused append leaves nothing"


@pytest.mark.parametrize(
    "chunk",
    [
        "text", None, {}, {"type": "markdown_text", "text": 1}, task(id=""), task(id=1), task(title="x" * 257),
        task(status="lost"), task(sources="x"), {"type": "plan_update", "title": "x" * 257},
        {"type": "blocks", "blocks": "x"}, {"type": "blocks", "blocks": ["x"]}, {"type": "blocks"},
    ],
)  # fmt: skip
def test_a_chunk_that_is_not_valid_is_refused(chunk: Any) -> None:
    with pytest.raises(MethodError, match="invalid_chunks"):
        Parts().add([chunk])


def test_a_stream_has_a_size() -> None:
    parts = Parts()
    chunk = {"type": "markdown_text", "text": "x" * 12_000}
    parts.add([chunk] * 16)
    with pytest.raises(MethodError, match="msg_blocks_too_long"):
        parts.add([chunk])


def test_a_call_has_only_so_many_chunks() -> None:
    chunk = {"type": "markdown_text", "text": "x"}
    Parts().add([chunk] * 100)
    with pytest.raises(MethodError, match="msg_blocks_too_many"):
        Parts().add([chunk] * 101)


async def test_a_stream_that_is_left_alone_is_errored(open_scene: OpenScene, clock: TurnedClock) -> None:
    scene = await open_scene()
    ts, other = await stream(scene, "relaybot", scene.general), await stream(scene, "relaybot", scene.general)
    gone = await stream(scene, "relaybot", scene.general)
    await scene.ok("relaybot", "chat.delete", channel=scene.general, ts=gone)
    clock.offset += PATIENCE - 10
    await scene.server_swept()  # it closes HTTP connections that are idle by this clock
    await append(scene, other, "alive")
    await scene.server.stop()
    scene = await open_scene(seed=None)
    bob = await scene.connect("bob")
    clock.offset += 20
    await scene.server_swept()

    changed = await bob.until("message")
    assert (changed["message"]["ts"], changed["message"]["streaming_state"]) == (ts, "errored")
    assert changed["message"]["text"] == "so far"
    error = await scene.error("relaybot", "chat.appendStream", channel=scene.general, ts=ts, markdown_text="x")
    assert error == "message_not_in_streaming_state"
    assert (await stop(scene, other))["message"]["streaming_state"] == "completed"
