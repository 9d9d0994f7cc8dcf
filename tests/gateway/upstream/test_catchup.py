"""What was posted while no event could come is read from the history, in order, once, and what stays missing is said.

The upstream of these tests forgets what it could not deliver, as Slack does: the line hides its events of that time.
"""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import web

from crooked import limited, refused
from outages import Outage, all_since, caught_up, forgetful, frames_since, position, texts, timeless
from scene import PATIENCE, eventually
from stage import OpenStage, Stage
from tautwire.gateway.catchup import gate, history
from tautwire.gateway.catchup.known import MAX_KNOWN, Known
from tautwire.server.store.engine import StoreError


@pytest.fixture
def open_stage(open_stage: OpenStage) -> OpenStage:
    """Start an upstream that does not say that it keeps events, and a gateway."""
    return forgetful(open_stage)


async def test_what_was_posted_while_the_gateway_was_down_comes_in_order(stage: Stage) -> None:
    start = await position(stage)
    await stage.post("alice", stage.general, "before")
    async with Outage(stage):
        for number in range(3):
            await stage.post("alice", stage.general, f"missed {number}")
        await stage.post("alice", stage.ops, "missed in private")
    await stage.post("alice", stage.general, "after")
    await caught_up(stage)
    frames = await frames_since(stage, start)
    in_general = [frame for frame in frames if frame["channel"] == stage.general]
    assert texts(in_general) == ["before", "missed 0", "missed 1", "missed 2", "after"]
    assert texts([frame for frame in frames if frame["channel"] == stage.ops]) == ["missed in private"]
    assert [frame["ts"] for frame in in_general] == sorted(frame["ts"] for frame in in_general)
    run = stage.gateway.relay.catch_up
    assert run.messages >= 4
    assert run.gaps.total() == 0


async def test_a_message_of_the_history_looks_like_one_that_came_as_an_event(stage: Stage) -> None:
    start = await position(stage)
    native = await stage.upstream.connect("desk")
    async with Outage(stage):
        parent = await stage.post("alice", stage.general, "<@U0> with *marks* &amp; a <https://example.test|link>")
        await stage.post("bob", stage.general, "a reply", thread_ts=parent)
        await stage.upstream.ok("alice", "chat.meMessage", channel=stage.general, text="waves")
        await stage.post("relaybot", stage.general, "by another bot", username="builds", icon_emoji=":hammer:")
        await stage.upstream.ok("alice", "reactions.add", channel=stage.general, timestamp=parent, name="wave")
        await stage.upstream.ok("alice", "conversations.setTopic", channel=stage.general, topic="tea")
    await caught_up(stage)
    expected = [timeless(each) for each in await native.fence() if each.get("type") == "message"]
    assert [timeless(frame) for frame in await frames_since(stage, start)] == expected
    assert len(expected) == 6


async def test_a_caught_up_message_comes_once_also_if_its_event_cannot_be_stored_for_programs_at_first(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = await open_stage(socket_mode=True)
    start = await position(stage)
    async with Outage(stage):
        ts = await stage.post("alice", stage.general, "missed")
    await caught_up(stage)
    stage.line.forgets = False  # so that no history is read any more
    await stage.restart()
    intake, writer = stage.gateway.relay.intake, stage.gateway.relay.workspace.writer
    post, fails = writer.post, [True]

    def full(unit: Any, done: Any) -> None:
        if fails:
            fails.clear()
            raise StoreError("the disk is full")
        post(unit, done)

    monkeypatch.setattr(writer, "post", full)
    user, acknowledged = stage.upstream.users["alice"], asyncio.Event()
    event = {"type": "message", "channel": stage.general, "user": user, "text": "missed", "ts": ts, "event_ts": ts}
    for _ in range(2):  # the upstream sends again what is not acknowledged
        intake.receive(json.dumps({"event_id": "EvLATE", "event": event}).encode(), acknowledged.set)
    await asyncio.wait_for(acknowledged.wait(), PATIENCE)
    assert texts(await frames_since(stage, start)) == ["missed"]
    assert intake.figures.put_off == 1


async def test_a_message_that_its_event_brings_later_does_not_come_twice(stage: Stage) -> None:
    start = await position(stage)
    outage = Outage(stage)
    async with outage:
        await stage.post("alice", stage.general, "missed")
        await stage.post("alice", stage.general, "sent again")
        outage.late.add("sent again")
    await stage.post("alice", stage.general, "after")
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["missed", "sent again", "after"]
    assert stage.gateway.relay.intake.figures.caught_up >= 1
    await stage.restart()
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["missed", "sent again", "after"]
    assert stage.gateway.relay.catch_up.messages == 0


async def test_an_edit_is_in_the_message_and_a_deleted_one_does_not_come(stage: Stage) -> None:
    start = await position(stage)
    outage = Outage(stage)
    async with outage:
        gone = await stage.post("alice", stage.general, "gone")
        edited = await stage.post("alice", stage.general, "tpyo")
        await stage.upstream.ok("alice", "chat.update", channel=stage.general, ts=edited, text="typo")
        await stage.upstream.ok("alice", "chat.delete", channel=stage.general, ts=gone)
        outage.late.add("gone")
    await stage.post("alice", stage.general, "after")
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["typo", "after"]
    assert stage.gateway.relay.intake.figures.gone == 1


async def test_an_upstream_that_has_kept_the_events_sends_them_itself(open_stage: OpenStage) -> None:
    stage = await open_stage(catch_up=0.05)
    start = await position(stage)
    await stage.settled()
    await stage.gateway.stop()
    for number in range(150):
        await stage.post("alice", stage.general, f"message {number}")
    await stage.start()
    await caught_up(stage)
    await stage.settled()
    assert texts(await frames_since(stage, start)) == [f"message {number}" for number in range(150)]
    assert stage.gateway.relay.catch_up.messages == 0


async def test_what_is_older_than_the_reach_stays_missing_and_is_said(
    open_stage: OpenStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage = await open_stage(catch_up=1.0)
    start = await position(stage)
    await stage.post("alice", stage.general, "before")
    async with Outage(stage):
        await stage.post("alice", stage.general, "too old")
        await asyncio.sleep(1.1)  # the reach
        await stage.post("alice", stage.general, "young enough")
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["before", "young enough"]
    assert stage.gateway.relay.catch_up.gaps == {"old": 1}
    assert f"stay missing, {stage.general}" in caplog.text


async def test_a_history_that_is_longer_than_is_read_is_said(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "PAGE", 2)
    monkeypatch.setattr(history, "MAX_PAGES", 2)
    start = await position(stage)
    await stage.post("alice", stage.general, "before")
    async with Outage(stage):
        for number in range(7):
            await stage.post("alice", stage.general, f"missed {number}")
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["before", *(f"missed {number}" for number in range(3, 7))]
    assert stage.gateway.relay.catch_up.gaps == {"long": 1}


async def test_a_channel_that_cannot_be_read_is_said_and_the_others_come(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    start = await position(stage)

    async def refuse(method: str, arguments: dict[str, str]) -> web.Response | None:
        is_it = method == "conversations.history" and arguments["channel"] == stage.general
        return refused("missing_scope", needed="channels:history") if is_it else None

    stage.line.before = refuse
    async with Outage(stage):
        await stage.post("alice", stage.general, "lost")
        await stage.post("alice", stage.ops, "missed")
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["missed"]
    assert stage.gateway.relay.catch_up.gaps == {"unread": 1}
    assert "channels:history" in caplog.text


async def test_a_message_that_cannot_be_read_is_said_and_the_others_come(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    start = await position(stage)
    odd = ""

    async def spoil(request: web.Request) -> web.StreamResponse:
        channel = dict(parse_qsl(await request.text()))["channel"]
        answer = await stage.upstream.ok("desk", "conversations.history", channel=channel)
        for message in answer["messages"]:
            if message["ts"] == odd:
                message["thread_ts"] = {"not": "text"}
        return web.json_response(answer)

    stage.line.streams["conversations.history"] = spoil
    async with Outage(stage):
        await stage.post("alice", stage.general, "one")
        odd = await stage.post("alice", stage.general, "odd")
        await stage.post("alice", stage.general, "three")
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["one", "three"]
    assert stage.gateway.relay.catch_up.gaps == {"unread": 1}
    assert odd in caplog.text


async def test_a_run_that_could_not_read_is_made_up_for_after_the_next_loss(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.gateway.catchup.run.PAUSE", 0.0)
    monkeypatch.setattr(history, "TRIES", 1)
    start, is_gone = await position(stage), True

    async def gone(method: str, _: dict[str, str]) -> web.Response | None:
        return web.Response(status=502) if is_gone and method == "users.conversations" else None

    stage.line.before = gone
    async with Outage(stage):
        await stage.post("alice", stage.general, "missed")
    await caught_up(stage)
    assert stage.gateway.relay.catch_up.gaps == {"list": 1}
    is_gone = False
    opened = stage.line.opened
    await stage.line.cut()
    await eventually(lambda: stage.line.opened > opened and stage.gateway.relay.link.is_up)
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["missed"]


async def test_calls_that_come_too_early_are_made_again(stage: Stage) -> None:
    start = await position(stage)
    left = {"users.conversations": 1, "conversations.history": 2}

    async def limit(method: str, _: dict[str, str]) -> web.Response | None:
        if not left.get(method):
            return None
        left[method] -= 1
        return limited(0)

    stage.line.before = limit
    async with Outage(stage):
        await stage.post("alice", stage.general, "missed")
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["missed"]
    assert stage.gateway.relay.catch_up.gaps.total() == 0


async def test_events_that_wait_too_long_go_on_and_the_gap_is_said(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = await position(stage)
    monkeypatch.setattr(gate, "PATIENCE", 0.2)
    there = asyncio.Event()

    async def stall(method: str, _: dict[str, str]) -> web.Response | None:
        if method == "conversations.history":
            await there.wait()
        return None

    stage.line.before = stall
    async with Outage(stage):
        await stage.post("alice", stage.general, "missed")
    await stage.post("alice", stage.general, "after")
    await eventually(lambda: stage.gateway.relay.intake.figures.stored == 1)
    there.set()
    await caught_up(stage)
    assert texts(await frames_since(stage, start)) == ["after"]
    assert stage.gateway.relay.catch_up.gaps == {"late": 1}


async def test_channels_whose_events_wait_come_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.post("alice", stage.general, "the most recent channel")
    monkeypatch.setattr("tautwire.gateway.catchup.run.SETTLE", 1.0)
    async with Outage(stage):
        await stage.post("alice", stage.ops, "missed")
    await stage.post("alice", stage.ops, "waits")
    await caught_up(stage)
    read = [arguments["channel"] for name, arguments in stage.line.calls if name == "conversations.history"]
    assert read == [stage.ops, stage.general]


async def test_a_channel_that_the_bot_has_joined_meanwhile_begins_with_its_join(stage: Stage) -> None:
    lounge = stage.upstream.directory.channels["lounge"]
    start = await position(stage)
    async with Outage(stage):
        await stage.post("alice", lounge, "before the bot was there")
        await stage.upstream.ok("alice", "conversations.invite", channel=lounge, users=stage.bot)
        await stage.post("alice", lounge, "for the bot")
    await caught_up(stage)
    found = await all_since(stage, start)
    frames = [frame for frame in found if frame.get("type") in ("message", "channel_joined")]
    assert [frame.get("subtype", frame["type"]) for frame in frames] == ["channel_joined", "channel_join", "message"]
    assert frames[-1]["text"] == "for the bot"


async def test_a_connection_that_was_lost_for_a_while_is_a_gap(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tautwire.gateway.catchup.run.SHORT", 0.0)
    socket = await stage.connect()
    lost: list[str] = []

    def hides(text: str) -> bool:
        if '"text":"missed' in text:
            lost.append(text)
        return '"text":"missed' in text

    stage.line.hides = hides
    await stage.post("alice", stage.general, "missed")
    await eventually(lambda: bool(lost))
    await stage.line.cut()
    await eventually(lambda: stage.line.opened == 2)
    await stage.post("alice", stage.general, "after")
    assert texts(await stage.received(socket, "after")) == ["missed", "after"]
    await caught_up(stage)
    assert stage.gateway.relay.catch_up.messages >= 1


async def test_a_short_loss_a_first_start_and_zero_look_nothing_up(open_stage: OpenStage) -> None:
    stage = await open_stage()
    await stage.line.cut()
    await eventually(lambda: stage.line.opened == 2)
    assert not stage.gateway.relay.catch_up.is_running
    await stage.gateway.stop()
    stage._settings["catch_up"] = 0.0
    await stage.start()
    assert not stage.gateway.relay.catch_up.is_running
    assert stage.line.count("conversations.history") == 0


async def test_a_message_of_the_bot_does_not_come_to_the_connection_that_has_its_ack(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.gateway.catchup.run.SHORT", 0.0)
    sender, other = await stage.connect(), await stage.connect()
    stage.line.hides = lambda text: '"text":"mine"' in text
    ack = await sender.say(stage.general, "mine")
    await stage.line.cut()
    await eventually(lambda: stage.line.opened == 2)
    await caught_up(stage)
    await stage.post("alice", stage.general, "after")
    assert texts(await stage.received(other, "after")) == ["mine", "after"]
    assert texts(await stage.received(sender, "after")) == ["after"]
    assert ack["ok"]


def test_the_list_of_the_log_is_bounded() -> None:
    notes = [f"Ev{number} C1 {number:010}.000000".encode() for number in range(MAX_KNOWN)]
    known = Known(notes, "0000000000.000000")
    assert known.newest("C1") == f"{MAX_KNOWN - 1:010}.000000"
    known.add("EvX", "C2", "9000000000.000000")
    assert not known.has_event("Ev0")
    assert not known.has_message("C1", "0000000000.000000")
    assert known.has_event("Ev1")


async def test_an_upstream_that_says_that_it_keeps_events_is_not_asked_for_its_history(stage: Stage) -> None:
    """What it sends then is in order with reactions and all else, which no history has."""
    stage.line.forgets = False
    start = await position(stage)
    await stage.settled()
    await stage.gateway.stop()
    first = await stage.post("alice", stage.general, "missed")
    await stage.upstream.ok("alice", "reactions.add", channel=stage.general, timestamp=first, name="eyes")
    await stage.post("alice", stage.general, "missed too")
    await stage.start()
    frames = await all_since(stage, start)
    seen = [frame.get("text", frame["type"]) for frame in frames if frame["type"] in ("message", "reaction_added")]
    assert seen == ["missed", "reaction_added", "missed too"]
    assert stage.line.count("conversations.history") == 0
