"""What happens at the upstream arrives at RTM connections of the gateway: stored, once, in order, resumable."""

import asyncio
from typing import Any

import pytest
from aiohttp import web

from crooked import refused
from scene import ConnectionEnded, eventually
from stage import OpenStage, Stage
from tautwire.gateway.echoes import Echoes
from tautwire.server.store.engine import StoreError


def texts(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["text"] for frame in frames if frame["type"] == "message" and "subtype" not in frame]


async def test_a_message_reaches_every_connection_of_the_bot(stage: Stage) -> None:
    first, second = await stage.connect(), await stage.connect()
    ts = await stage.post("alice", stage.general, "hello")
    for socket in (first, second):
        frame = await socket.until("message")
        assert (frame["text"], frame["ts"], frame["user"]) == ("hello", ts, stage.upstream.users["alice"])
        assert "channel_type" not in frame


async def test_the_answer_of_rtm_connect_names_the_bot_at_the_upstream(stage: Stage) -> None:
    answer = await stage.ok("rtm.connect")
    assert answer["self"] == {"id": stage.bot, "name": "desk"}
    assert answer["team"]["name"] == "Acme"
    assert answer["url"].startswith(f"ws://127.0.0.1:{stage.gateway.port}/rtm/")


async def test_events_that_happen_while_the_bot_is_away_are_delivered_when_it_resumes(stage: Stage) -> None:
    socket = await stage.connect(resume="")
    await socket.until("position")
    await stage.post("alice", stage.general, "before")
    position = (await socket.until("position"))["position"]
    await socket.close()
    for number in range(20):
        await stage.post("alice", stage.general, f"away {number}")
    await eventually(lambda: stage.gateway.relay.intake.figures.stored >= 21)
    answer = await stage.ok("rtm.connect", resume=position)
    assert answer["resume"] == "resumed"
    back = await stage.dial(answer)
    assert texts(await stage.received(back, "away 19")) == [f"away {number}" for number in range(20)]


async def test_a_restart_of_the_gateway_loses_no_event_and_repeats_none(stage: Stage) -> None:
    socket = await stage.connect(resume="")
    await socket.until("position")
    await stage.post("alice", stage.general, "first")
    await socket.until("message")
    position = (await socket.until("position"))["position"]
    await stage.gateway.stop()
    await stage.post("alice", stage.general, "while it is down")
    await stage.start()
    await stage.post("alice", stage.general, "after")
    back = await stage.dial(await stage.ok("rtm.connect", resume=position))
    assert texts(await stage.received(back, "after")) == ["while it is down", "after"]


async def test_the_channel_comes_before_the_bots_own_join(stage: Stage) -> None:
    socket = await stage.connect()
    made = await stage.upstream.ok("alice", "conversations.create", name="town")
    channel = made["channel"]["id"]
    await stage.upstream.ok("alice", "conversations.invite", channel=channel, users=stage.bot)
    await stage.post("alice", channel, "welcome")
    frames = await stage.received(socket, "welcome")
    types = [frame["type"] for frame in frames if frame["type"] != "channel_created"]
    assert types[:2] == ["channel_joined", "member_joined_channel"]
    joined = next(frame for frame in frames if frame["type"] == "channel_joined")
    assert (joined["channel"]["id"], joined["channel"]["name"]) == (channel, "town")
    assert types[-1] == "message"


async def test_a_direct_message_is_announced_once(stage: Stage) -> None:
    socket = await stage.connect()
    opened = await stage.upstream.ok("carol", "conversations.open", users=stage.bot)
    channel = opened["channel"]["id"]
    await stage.post("carol", channel, "psst")
    await stage.post("carol", channel, "again")
    frames = await stage.received(socket, "again")
    assert [frame["type"] for frame in frames].count("im_created") == 1
    created = next(frame for frame in frames if frame["type"] == "im_created")
    assert created["channel"]["id"] == channel
    assert created["user"] == stage.bot
    assert texts(frames) == ["psst", "again"]


async def test_a_direct_message_that_was_there_before_the_start_is_not_announced(stage: Stage) -> None:
    channel = (await stage.upstream.ok("carol", "conversations.open", users=stage.bot))["channel"]["id"]
    await stage.restart()
    socket = await stage.connect()
    await stage.post("carol", channel, "psst")
    assert [frame["type"] for frame in await stage.received(socket, "psst")] == ["message"]


async def test_an_event_that_comes_twice_is_stored_once(stage: Stage) -> None:
    intake, acknowledged = stage.gateway.relay.intake, []
    event = '{"type":"message","channel":"C1","user":"U1","text":"twice","ts":"1790000110.000100"}'
    payload = f'{{"event_id":"Ev1","event":{event}}}'.encode()
    for number in range(2):
        intake.receive(payload, lambda number=number: acknowledged.append(number))  # type: ignore[misc]
    assert acknowledged == [], "not before it is durable"
    await eventually(lambda: len(acknowledged) == 2)
    intake.receive(payload, lambda: acknowledged.append(2))
    assert acknowledged == [0, 1, 2]
    await stage.restart()
    stage.gateway.relay.intake.receive(payload, lambda: acknowledged.append(3))
    assert acknowledged[-1] == 3, "the ids are read from the log"
    assert stage.gateway.relay.intake.figures.stored == 0


async def test_a_payload_that_is_no_event_is_acknowledged_and_stored_nowhere(stage: Stage) -> None:
    acknowledged: list[str] = []
    for payload in (b"{", b'{"event":5}', b'{"event_id":7}'):
        stage.gateway.relay.intake.receive(payload, lambda: acknowledged.append(""))
    assert len(acknowledged) == 3
    assert stage.gateway.relay.intake.figures.unread == 3


async def test_an_event_without_an_id_is_known_by_its_bytes(stage: Stage) -> None:
    intake, acknowledged = stage.gateway.relay.intake, []
    for text in ("one", "two", "one"):
        event = f'{{"type":"message","channel":"C1","user":"U1","text":"{text}","ts":"1790000110.000100"}}'
        intake.receive(f'{{"event":{event}}}'.encode(), lambda text=text: acknowledged.append(text))  # type: ignore[misc]
    await eventually(lambda: len(acknowledged) == 3)
    assert (intake.figures.stored, intake.figures.repeated) == (2, 1)


async def test_an_event_that_cannot_be_stored_is_not_acknowledged_and_comes_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    socket, writer = await stage.connect(), stage.gateway.relay.workspace.writer
    post, fails = writer.post, [True]

    def full(unit: Any, done: Any) -> None:
        if fails:
            fails.clear()
            raise StoreError("the disk is full")
        post(unit, done)

    monkeypatch.setattr(writer, "post", full)
    await stage.post("alice", stage.general, "important")
    await eventually(lambda: stage.gateway.relay.intake.figures.put_off == 1)
    await stage.line.cut()  # the upstream sends again what is not acknowledged
    assert texts(await stage.received(socket, "important")) == ["important"]
    caplog.clear()


async def test_what_waits_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.intake.MAX_WAITING", 100)
    acknowledged: list[int] = []
    event = f'{{"type":"message","channel":"C1","text":"{"x" * 200}","ts":"1.000001"}}'
    stage.gateway.relay.intake.receive(f'{{"event_id":"Ev9","event":{event}}}'.encode(), lambda: acknowledged.append(1))
    assert stage.gateway.relay.intake.figures.put_off == 1
    assert stage.gateway.relay.intake.waiting == 0
    assert acknowledged == []


async def test_an_operator_is_told_that_the_app_ends(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    stage.gateway.relay.intake.receive(b'{"event_id":"Ev8","event":{"type":"app_uninstalled"}}', lambda: None)
    assert "app_uninstalled" in caplog.text


async def test_a_wrong_local_token_is_refused(stage: Stage) -> None:
    for token in ("xoxb-wrong-token-of-some-length", stage.upstream.tokens["desk"]):
        assert (await stage.request("rtm.connect", token=token))["error"] == "invalid_auth"
        assert (await stage.request("chat.postMessage", token=token, channel="C1"))["error"] == "invalid_auth"


async def test_a_stop_says_goodbye(stage: Stage) -> None:
    socket = await stage.connect()
    stopping = asyncio.create_task(stage.gateway.stop())
    await socket.until("goodbye")
    with pytest.raises(ConnectionEnded):
        await socket.until("never")
    await stopping


async def test_a_local_token_may_be_chosen_and_changed(open_stage: OpenStage) -> None:
    stage = await open_stage(local_token="xoxb-the-old-dead-token")
    assert (await stage.ok("auth.test"))["user"] == "desk"
    socket = await stage.connect()
    await stage.gateway.stop()
    with pytest.raises(ConnectionEnded):
        await socket.until("never")
    stage._settings["local_token"] = "xoxb-a-second-token"
    await stage.start()
    assert (await stage.ok("auth.test"))["user"] == "desk"
    assert (await stage.request("auth.test", token="xoxb-the-old-dead-token"))["error"] == "token_revoked"
    stage._settings["local_token"] = "xoxb-the-old-dead-token"
    await stage.restart()
    assert (await stage.ok("auth.test"))["user"] == "desk"


async def test_a_conversation_that_cannot_be_described_is_announced_by_its_id(stage: Stage) -> None:
    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused("missing_scope") if method == "conversations.info" else None

    stage.line.before = refuse
    socket = await stage.connect()
    channel = (await stage.upstream.ok("carol", "conversations.open", users=stage.bot))["channel"]["id"]
    await stage.post("carol", channel, "psst")
    frames = await stage.received(socket, "psst")
    assert [frame["channel"] for frame in frames if frame["type"] == "im_created"] == [
        {"id": channel, "is_im": True, "is_group": False}
    ]


async def test_a_defect_before_an_event_does_not_hold_it_back(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tautwire.gateway.intake.announce", fail)
    monkeypatch.setattr("tautwire.gateway.intake.MAX_DIRECTS", 0)
    socket = await stage.connect()
    channel = (await stage.upstream.ok("carol", "conversations.open", users=stage.bot))["channel"]["id"]
    await stage.post("carol", channel, "psst")
    assert texts(await stage.received(socket, "psst")) == ["psst"]
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


def test_messages_whose_event_never_comes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.echoes.MAX_SENT", 2)
    echoes = Echoes()
    for number in range(3):
        echoes.sent("C1", f"{number}.000001", number + 1)
    assert [echoes.sender("C1", f"{number}.000001") for number in range(3)] == [None, 2, 3]
    assert echoes.sender("C1", "2.000001") is None, "once"
