"""Answers that are kept for start-ups: one call for many bots, and none of them is out of date."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from crooked import limited
from scene import eventually
from stage import OpenStage, Stage
from tautwire.gateway.proxy import cache as module

STORM = ("auth.test", "team.info", "users.list", "conversations.list", "emoji.list", "usergroups.list")


async def test_bots_that_start_together_make_one_call_of_each(stage: Stage) -> None:
    stage.line.calls.clear()
    answers = await asyncio.gather(*(stage.ok(method) for method in STORM for _ in range(8)))
    assert {method: stage.line.count(method) for method in STORM} == dict.fromkeys(STORM, 1)
    assert all(answer["ok"] for answer in answers)
    assert await stage.ok("users.list") == await stage.ok("users.list")
    assert stage.line.count("users.list") == 1
    assert stage.gateway.relay.cache.hits >= 7 * len(STORM)


async def test_other_arguments_are_another_call(stage: Stage) -> None:
    await stage.ok("conversations.list", types="public_channel")
    await stage.ok("conversations.list", types="private_channel")
    assert stage.line.count("conversations.list") >= 2
    assert (await stage.ok("conversations.info", channel=stage.ops))["channel"]["name"] == "ops"
    assert (await stage.ok("conversations.info", channel=stage.general))["channel"]["name"] == "general"


async def names_of(stage: Stage) -> set[str]:
    return {each["name"] for each in (await stage.ok("conversations.list"))["channels"]}


async def test_an_event_drops_what_it_changes(stage: Stage) -> None:
    socket = await stage.connect()
    assert "general" in await names_of(stage)
    assert (await stage.ok("conversations.info", channel=stage.ops))["channel"]["topic"]["value"] == ""
    people = await stage.ok("users.list")
    await stage.upstream.ok("alice", "conversations.rename", channel=stage.general, name="plaza")
    await socket.until("channel_rename")
    assert "plaza" in await names_of(stage)
    await stage.upstream.ok("alice", "conversations.setTopic", channel=stage.ops, topic="tea")
    await socket.until(lambda frame: frame.get("subtype") == "channel_topic" or frame.get("subtype") == "group_topic")
    assert (await stage.ok("conversations.info", channel=stage.ops))["channel"]["topic"]["value"] == "tea"
    calls = stage.line.count("users.list")
    assert await stage.ok("users.list") == people
    assert stage.line.count("users.list") == calls, "no user has changed"
    await stage.upstream.ok("bob", "users.profile.set", profile={"real_name": "Robert"})
    await socket.until("user_change")
    assert "Robert" in {each["profile"]["real_name"] for each in (await stage.ok("users.list"))["members"]}


async def test_an_answer_that_an_event_overtakes_is_not_kept(stage: Stage) -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    async def late(method: str, _: dict[str, str]) -> None:
        if method == "conversations.info":
            asked.set()
            await gate.wait()

    stage.line.after = late
    socket = await stage.connect()
    early = asyncio.create_task(stage.ok("conversations.info", channel=stage.general))
    await asked.wait()
    await stage.upstream.ok("alice", "conversations.rename", channel=stage.general, name="plaza")
    await socket.until("channel_rename")
    second = asyncio.create_task(stage.ok("conversations.info", channel=stage.general))
    await eventually(lambda: stage.line.count("conversations.info") == 2)
    gate.set()
    assert (await early)["channel"]["name"] == "general"
    assert (await second)["channel"]["name"] == "plaza"
    assert (await stage.ok("conversations.info", channel=stage.general))["channel"]["name"] == "plaza"


async def test_a_call_of_a_bot_drops_what_it_may_have_changed(stage: Stage) -> None:
    await names_of(stage)
    await stage.ok("conversations.create", name="fresh")
    assert "fresh" in await names_of(stage)
    await stage.settled()  # the events of it have come as well
    await names_of(stage)
    calls = stage.line.count("conversations.list")
    await stage.ok("conversations.history", channel=stage.general)
    await stage.ok("chat.postMessage", channel=stage.general, text="hi")
    await names_of(stage)
    assert stage.line.count("conversations.list") == calls


async def test_a_refusal_is_not_kept_and_a_limit_is_shared(stage: Stage) -> None:
    answers: list[Any] = [web.json_response({"ok": False, "error": "internal_error"}), limited(3)]
    gate = asyncio.Event()

    async def fail(method: str, _: dict[str, str]) -> web.Response | None:
        if method != "users.list" or not answers:
            return None
        if len(answers) == 1:
            await gate.wait()
        return answers.pop(0)  # type: ignore[no-any-return]

    stage.line.before = fail
    assert (await stage.request("users.list"))["error"] == "internal_error"
    storm = [asyncio.create_task(stage.request("users.list")) for _ in range(4)]
    await eventually(lambda: stage.line.count("users.list") == 2)
    flight = stage.gateway.relay.cache._flights
    await eventually(lambda: bool(flight))
    gate.set()
    codes = [(await each).get("error", "") for each in storm]
    assert codes.count("ratelimited") >= 1
    assert (await stage.ok("users.list"))["members"]


async def test_while_no_event_comes_nothing_is_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.ok("users.list")
    monkeypatch.setattr(stage.gateway.relay.cache, "_is_current", lambda: False)
    await stage.ok("users.list")
    await stage.ok("users.list")
    assert stage.line.count("users.list") == 3


async def test_an_answer_is_kept_for_a_while(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIFE", 0.0)
    await stage.ok("users.list")
    await stage.ok("users.list")
    assert stage.line.count("users.list") == 2


async def test_what_is_kept_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SIZE", 4_000)
    for number in range(30):
        await stage.ok("conversations.info", channel=stage.general, unknown=str(number))
        await stage.ok("conversations.list", types="im", limit=str(number + 1))
    cache = stage.gateway.relay.cache
    assert 0 < cache.size <= 4_000
    cache.clear()
    assert (cache.size, len(cache._kept)) == (0, 0)
    monkeypatch.setattr(module, "MAX_ENTRY", 10)
    await stage.ok("users.list")
    assert cache.size == 0


async def test_without_the_setting_every_call_is_made(open_stage: OpenStage) -> None:
    stage = await open_stage(answer_cache=False)
    for _ in range(2):
        await stage.ok("users.list")
    assert stage.line.count("users.list") == 2


async def texts_of(stage: Stage, channel: str) -> list[str]:
    return [each["text"] for each in (await stage.ok("conversations.history", channel=channel, limit="3"))["messages"]]


async def test_a_history_is_kept_until_something_happens_in_the_channel(stage: Stage) -> None:
    socket = await stage.connect()
    ts = await stage.post("alice", stage.general, "one")
    await stage.received(socket, "one")
    assert [(await texts_of(stage, stage.general))[0] for _ in range(3)] == ["one"] * 3
    assert stage.line.count("conversations.history") == 1
    await stage.post("alice", stage.general, "two")
    await stage.received(socket, "two")
    assert (await texts_of(stage, stage.general))[:2] == ["two", "one"]
    await stage.upstream.ok("bob", "reactions.add", channel=stage.general, timestamp=ts, name="tada")
    await socket.until("reaction_added")
    found = (await stage.ok("conversations.history", channel=stage.general, limit="3"))["messages"]
    assert found[1]["reactions"][0]["name"] == "tada"
    await stage.upstream.ok("alice", "chat.delete", channel=stage.general, ts=ts)
    await socket.until(lambda frame: frame.get("subtype") == "message_deleted")
    assert "one" not in await texts_of(stage, stage.general)


async def test_a_bot_reads_what_it_has_said(stage: Stage) -> None:
    socket = await stage.connect()
    await stage.post("alice", stage.general, "begin")
    await stage.received(socket, "begin")
    for number in range(5):
        await texts_of(stage, stage.general)
        assert (await socket.say(stage.general, f"frame {number}"))["ok"]
        assert (await texts_of(stage, stage.general))[0] == f"frame {number}"
        ts = (await stage.ok("chat.postMessage", channel="#general", text=f"call {number}"))["ts"]
        assert (await texts_of(stage, stage.general))[0] == f"call {number}"
        await stage.ok("chat.update", channel=stage.general, ts=ts, text=f"changed {number}")
        assert (await texts_of(stage, stage.general))[0] == f"changed {number}"


async def test_a_history_of_a_channel_without_events_is_not_kept(stage: Stage) -> None:
    for _ in range(2):
        await texts_of(stage, stage.ops)
    assert stage.line.count("conversations.history") == 2
