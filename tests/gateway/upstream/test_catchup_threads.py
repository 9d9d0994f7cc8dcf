"""Replies that were missed are read from the threads, and followed by their parents as on RTM."""

from typing import Any

import pytest
from aiohttp import web

from outages import Outage, caught_up, forgetful, frames_since, position, texts, timeless
from scene import eventually
from stage import OpenStage, Stage


@pytest.fixture
def open_stage(open_stage: OpenStage) -> OpenStage:
    """Start an upstream that does not say that it keeps events, and a gateway."""
    return forgetful(open_stage)


async def test_replies_in_threads_that_are_older_come_too(stage: Stage) -> None:
    start = await position(stage)
    parent = await stage.post("alice", stage.general, "parent")
    await stage.post("bob", stage.general, "reply before", thread_ts=parent)
    async with Outage(stage):
        await stage.post("alice", stage.general, "one")
        await stage.post("bob", stage.general, "a reply", thread_ts=parent)
        await stage.post("bob", stage.general, "for all", thread_ts=parent, reply_broadcast=True)
        await stage.post("alice", stage.general, "two")
    await caught_up(stage)
    frames = [each["text"] for each in await frames_since(stage, start) if not each.get("hidden")]
    assert frames == ["parent", "reply before", "one", "a reply", "for all", "two"]


async def test_a_reply_is_followed_by_its_parent_with_the_counters_after_it(stage: Stage) -> None:
    start, replied = await position(stage), stage.post
    parent = await stage.post("alice", stage.general, "parent")
    await replied("bob", stage.general, "before", thread_ts=parent)
    await stage.settled()
    native = await stage.upstream.connect("desk")
    async with Outage(stage):
        await replied("bob", stage.general, "first", thread_ts=parent)
        await stage.post("alice", stage.general, "another")
        await replied("bob", stage.general, "for all", thread_ts=parent, reply_broadcast=True)
        young = await stage.post("alice", stage.general, "a young parent")
        await replied("bob", stage.general, "in the young thread", thread_ts=young)
        await replied("bob", stage.general, "last", thread_ts=parent)
    await caught_up(stage)
    expected = [timeless(each) for each in await native.fence() if each.get("type") == "message"]
    frames = await frames_since(stage, start)
    assert [timeless(frame) for frame in frames][3:] == expected
    assert [frame["message"]["reply_count"] for frame in frames if frame.get("subtype") == "message_replied"] == [
        1, 2, 3, 1, 4
    ]  # fmt: skip
    assert len({(frame["channel"], frame["ts"]) for frame in frames}) == len(frames), "each has a ts of its own"


async def test_a_parent_that_its_event_brings_later_does_not_come_twice(stage: Stage) -> None:
    start = await position(stage)
    parent = await stage.post("alice", stage.general, "parent")
    outage = Outage(stage)
    outage.late.add("parent")  # which is in the event of each reply
    async with outage:
        await stage.post("bob", stage.general, "missed", thread_ts=parent)
    await stage.post("bob", stage.general, "live", thread_ts=parent)
    await caught_up(stage)
    await eventually(lambda: stage.gateway.relay.intake.figures.caught_up >= 1)
    frames = [frame.get("text", frame.get("subtype")) for frame in await frames_since(stage, start)]
    assert frames == ["parent", "missed", "message_replied", "live", "message_replied"]


@pytest.mark.parametrize("broken", [{"reply_count": "many"}, {"latest_reply": 9}])
async def test_a_thread_that_cannot_be_read_costs_the_channel_nothing(stage: Stage, broken: dict[str, Any]) -> None:
    start = await position(stage)
    parent = await stage.post("alice", stage.general, "parent")

    async def answer(request: web.Request) -> web.Response:
        reply = {"type": "message", "ts": f"{int(parent[:10]) + 1}.000000", "text": "odd", "thread_ts": parent}
        first = {"type": "message", "ts": parent, "text": "parent", "latest_reply": reply["ts"], "reply_count": 1}
        return web.json_response({"ok": True, "messages": [{**reply, **broken}, {**first, **broken, "ts": parent}]})

    async with Outage(stage):
        stage.line.streams = {"conversations.history": answer, "conversations.replies": answer}
    await caught_up(stage)
    assert stage.gateway.relay.catch_up.gaps.total() == 0
    stage.line.streams = {}
    assert "parent" in texts(await frames_since(stage, start))
