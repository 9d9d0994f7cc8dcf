"""The state of rtm.start: kept for a while, and current when a bot gets it, since it gets no earlier event."""

import asyncio

import pytest

from stage import Stage


async def test_an_event_of_a_user_changes_the_state(stage: Stage) -> None:
    socket = await stage.connect()
    await stage.ok("rtm.start")
    calls = stage.line.count("users.list")
    await stage.upstream.ok("bob", "users.profile.set", profile={"real_name": "Robert"})
    await socket.until("user_change")
    users = (await stage.ok("rtm.start"))["users"]
    assert "Robert" in {each["profile"]["real_name"] for each in users}
    assert stage.line.count("users.list") == calls, "the event had all of it"


async def test_an_event_of_a_conversation_drops_the_state(stage: Stage) -> None:
    socket = await stage.connect()
    await stage.ok("rtm.start")
    await stage.upstream.ok("alice", "conversations.rename", channel=stage.general, name="plaza")
    await socket.until("channel_rename")
    assert "plaza" in {each["name"] for each in (await stage.ok("rtm.start"))["channels"]}
    await stage.upstream.ok("alice", "conversations.setTopic", channel=stage.general, topic="tea")
    await socket.until(lambda frame: frame.get("subtype") == "channel_topic")
    topics = {each["topic"]["value"] for each in (await stage.ok("rtm.start"))["channels"] if each["is_member"]}
    assert topics == {"tea"}


async def test_a_state_that_an_event_overtakes_is_not_kept(stage: Stage) -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    async def late(method: str, _: dict[str, str]) -> None:
        if method == "conversations.list":
            asked.set()
            await gate.wait()

    socket = await stage.connect()
    stage.line.after = late
    starting = asyncio.create_task(stage.ok("rtm.start"))
    await asked.wait()
    await stage.upstream.ok("alice", "conversations.rename", channel=stage.general, name="plaza")
    await socket.until("channel_rename")
    gate.set()
    await starting
    assert "plaza" in {each["name"] for each in (await stage.ok("rtm.start"))["channels"]}


async def test_groups_are_not_asked_for_without_their_scope(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.line.scopes = "channels:read,chat:write,users:read"
    await stage.ok("auth.test")  # whose answer names the scopes
    assert (await stage.ok("rtm.start"))["subteams"] == {"all": [], "self": []}
    assert stage.line.count("usergroups.list") == 0
    assert "usergroups:read" not in caplog.text


async def test_groups_are_asked_for_by_an_app_with_the_scopes_of_a_classic_bot(stage: Stage) -> None:
    await stage.ok("auth.test")
    await stage.ok("rtm.start")
    assert stage.line.count("usergroups.list") == 1
