"""Threads of assistants: status, title, prompts."""

from typing import Any

import pytest

from samples import stream
from scene import Scene
from tautwire.server.services.messaging import statuses


async def thread(scene: Scene) -> tuple[str, str]:
    """Begin a thread with the bot; return its channel and the ts of its root."""
    channel = (await scene.ok("alice", "conversations.open", users=scene.users["relaybot"]))["channel"]["id"]
    return channel, await scene.post("alice", channel, "hi")


async def set_status(scene: Scene, channel: str, ts: str, status: str, **arguments: Any) -> None:
    await scene.ok(
        "relaybot", "assistant.threads.setStatus", channel_id=channel, thread_ts=ts, status=status, **arguments
    )


async def test_members_see_a_status_until_it_is_cleared(scene: Scene) -> None:
    channel, ts = await thread(scene)
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    await set_status(scene, channel, ts, "is thinking", loading_messages=["one", "two"])
    await set_status(scene, channel, ts, "")

    shown, cleared = await alice.fence()
    assert (shown["type"], shown["status"], cleared["status"]) == ("ai_assistant_status", "is thinking", "")
    assert (shown["channel_id"], shown["thread_ts"]) == (channel, ts)
    assert shown["bot_user_id"] == scene.users["relaybot"]
    assert await bob.fence() == []


async def test_a_status_ends_when_the_bot_posts_into_the_thread(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "hi")
    bob = await scene.connect("bob")
    await set_status(scene, scene.general, ts, "is thinking")
    await scene.post("alice", scene.general, "me too", thread_ts=ts)
    assert [frame["status"] for frame in await bob.fence() if "status" in frame] == ["is thinking"]

    await scene.post("relaybot", scene.general, "elsewhere")
    assert await bob.events() == ["message"]
    await scene.post("relaybot", scene.general, "an answer", thread_ts=ts)
    assert await bob.events() == ["message", "message_replied", "ai_assistant_status"]


async def test_a_status_ends_when_a_stream_begins_in_the_thread(scene: Scene) -> None:
    ts = await scene.post("alice", scene.general, "hi")
    bob = await scene.connect("bob")
    await set_status(scene, scene.general, ts, "is thinking")
    assert await bob.events() == ["ai_assistant_status"]
    recipient = {"recipient_user_id": scene.users["alice"], "recipient_team_id": scene.directory.team["id"]}
    await scene.ok("relaybot", "chat.startStream", channel=scene.general, thread_ts=ts, **recipient)
    assert (await bob.events())[-1] == "ai_assistant_status"
    await stream(scene, "relaybot", scene.general)
    assert await bob.events() == ["message"]


async def test_a_status_ends_after_two_minutes(scene: Scene) -> None:
    channel, ts = await thread(scene)
    alice = await scene.connect("alice")
    await set_status(scene, channel, ts, "is thinking")
    scene.clock.offset += 119
    await scene.server_swept()
    assert [frame["status"] for frame in await alice.fence() if "status" in frame] == ["is thinking"]
    scene.clock.offset += 2

    assert (await alice.until("ai_assistant_status"))["status"] == ""


async def test_the_oldest_status_ends_for_one_too_many(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statuses, "MAX_STATUSES", 1)
    channel, first = await thread(scene)
    second = await scene.post("alice", channel, "again")
    alice = await scene.connect("alice")
    for ts in (first, second):
        await set_status(scene, channel, ts, "is thinking")

    told = [(frame["thread_ts"], frame["status"]) for frame in await alice.fence()]
    assert told == [(first, "is thinking"), (first, ""), (second, "is thinking")]


async def test_a_thread_gets_a_title_and_prompts(scene: Scene) -> None:
    channel, ts = await thread(scene)
    alice = await scene.connect("alice")
    place = {"channel_id": channel, "thread_ts": ts}
    prompts = [{"title": "Menu", "message": "What is there today?"}]
    await scene.ok("relaybot", "assistant.threads.setTitle", **place, title="Lunch")
    await scene.ok("relaybot", "assistant.threads.setSuggestedPrompts", **place, prompts=prompts)

    titled, prompted = await alice.fence()
    assert (titled["subtype"], titled["message"]["ts"]) == ("message_changed", ts)
    assert titled["message"]["assistant_app_thread"] == {"title": "Lunch"}
    assert "subtype" not in titled["message"], "it is a message of a person"
    shown = {"title": "Lunch", "suggested_prompts": {"title": "Try these prompts:", "prompts": prompts}}
    assert prompted["message"]["assistant_app_thread"] == shown
    root = await scene.post("relaybot", channel, "welcome")
    await scene.ok("relaybot", "assistant.threads.setTitle", channel_id=channel, thread_ts=root, title="New")
    assert (await alice.until(lambda frame: "message" in frame))["message"]["subtype"] == "assistant_app_thread"


@pytest.mark.parametrize(
    ("verb", "arguments", "pointer"),
    [
        ("setStatus", {"status": None}, "/status"),
        ("setStatus", {"status": "x" * 201}, "/status"),
        ("setStatus", {"status": "x", "loading_messages": ["x"] * 11}, "/loading_messages"),
        ("setStatus", {"status": "x", "loading_messages": ["x" * 51]}, "/loading_messages/0"),
        ("setStatus", {"status": "x", "loading_messages": [1]}, "/loading_messages/0"),
        ("setTitle", {"title": ""}, "/title"),
        ("setTitle", {"title": "x" * 256}, "/title"),
        ("setSuggestedPrompts", {"prompts": []}, "/prompts"),
        ("setSuggestedPrompts", {"prompts": [{"title": "x", "message": "y"}] * 5}, "/prompts"),
        ("setSuggestedPrompts", {"prompts": ["x"]}, "/prompts/0"),
        ("setSuggestedPrompts", {"prompts": [{"title": "x"}]}, "/prompts/0/message"),
        ("setSuggestedPrompts", {"prompts": [{"title": 1, "message": "x"}]}, "/prompts/0/title"),
    ],
)
async def test_wrong_arguments_are_named(scene: Scene, verb: str, arguments: dict[str, Any], pointer: str) -> None:
    channel, ts = await thread(scene)
    answer = await scene.call("relaybot", f"assistant.threads.{verb}", channel_id=channel, thread_ts=ts, **arguments)

    assert answer["error"] == "invalid_arguments"
    assert f"[json-pointer:{pointer}]" in answer["response_metadata"]["messages"][0]


async def test_a_place_that_is_no_thread_of_the_bot(scene: Scene) -> None:
    channel, ts = await thread(scene)
    reply = await scene.post("alice", channel, "reply", thread_ts=ts)
    good: dict[str, dict[str, Any]] = {
        "setStatus": {"status": "x"},
        "setTitle": {"title": "x"},
        "setSuggestedPrompts": {"prompts": [{"title": "x", "message": "y"}]},
    }
    town = (await scene.ok("bob", "conversations.create", name="town"))["channel"]["id"]

    async def error(verb: str, **place: str) -> str:
        return await scene.error("relaybot", f"assistant.threads.{verb}", **place, **good[verb])

    for verb in good:
        assert await error(verb, channel_id=town, thread_ts=ts) == "channel_not_found"
        assert await error(verb, channel_id=channel, thread_ts="1.1") == "invalid_thread_ts"
    for verb in ("setTitle", "setSuggestedPrompts"):
        assert await error(verb, channel_id=channel, thread_ts=reply) == "invalid_thread_ts"
        assert await error(verb, channel_id=scene.general, thread_ts=ts) == "channel_not_found"
    assert await error("setSuggestedPrompts", channel_id=channel) == "not_agent_app"
