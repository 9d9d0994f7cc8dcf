"""Presence by polling: within the budget, those who ask first, changes only."""

from typing import Any

from aiohttp import web

from scene import eventually
from stage import OpenStage, Stage


async def test_a_subscription_gets_changes_and_no_repetition(open_stage: OpenStage) -> None:
    stage = await open_stage(presence_budget=1_000)
    alice = stage.upstream.users["alice"]
    socket = await stage.connect()
    await socket.send(type="presence_sub", ids=[alice])
    assert (await socket.until("presence_change"))["presence"] == "away"
    calls = stage.line.count("users.getPresence")
    await eventually(lambda: stage.line.count("users.getPresence") >= calls + 3)
    assert await socket.events() == [], "the state is the same"
    person = await stage.upstream.connect("alice")
    assert (await socket.until("presence_change"))["presence"] == "active"
    await person.close()
    await socket.send(type="presence_sub", ids=[])
    await socket.fence()
    calls = stage.line.count("users.getPresence")
    await socket.fence()
    assert stage.line.count("users.getPresence") <= calls + 1, "who is not watched is not asked for"


async def test_a_second_query_is_answered_at_once_for_those_who_are_watched(open_stage: OpenStage) -> None:
    stage = await open_stage(presence_budget=1)
    alice = stage.upstream.users["alice"]
    watching, asking = await stage.connect(), await stage.connect()
    await watching.send(type="presence_sub", ids=[alice])
    await watching.until("presence_change")
    await asking.send(type="presence_query", ids=[alice])
    assert (await asking.until("presence_change"))["user"] == alice
    assert stage.line.count("users.getPresence") == 1, "the budget is one call a minute"


async def test_without_a_budget_nothing_is_asked(open_stage: OpenStage) -> None:
    stage = await open_stage(presence_budget=0)
    socket = await stage.connect()
    await socket.send(type="presence_sub", ids=[stage.upstream.users["alice"]])
    assert await socket.events() == []
    assert stage.line.count("users.getPresence") == 0


async def test_an_unknown_user_has_no_answer(stage: Stage) -> None:
    socket = await stage.connect()
    await socket.send(type="presence_query", ids=["U0000000000"])
    await eventually(lambda: stage.gateway.relay.presence.calls == 1)
    assert await socket.events() == []


async def test_subscriptions_are_bounded(open_stage: OpenStage, monkeypatch: Any) -> None:
    monkeypatch.setattr("tautwire.gateway.presence.MAX_WATCHED", 2)
    monkeypatch.setattr("tautwire.gateway.presence.MAX_ASKED", 1)
    stage = await open_stage(presence_budget=1)

    async def late(method: str, _: dict[str, str]) -> web.Response | None:
        return web.json_response({"ok": False, "error": "internal_error"}) if "Presence" in method else None

    stage.line.before = late
    socket = await stage.connect()
    await socket.send(type="presence_sub", id=1, ids=["U1", "U2"])
    await socket.send(type="presence_sub", id=2, ids=["U1", "U2", "U3"])
    assert (await socket.reply_to(2))["error"]["code"] == 4
    assert len(stage.gateway.relay.presence._asked) <= 1
    await socket.close()
    await eventually(lambda: not stage.gateway.relay.presence._watchers)
    assert not stage.gateway.relay.presence._asked
