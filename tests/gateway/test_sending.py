"""Messages of bots: accepted by the upstream or refused, in order, without an echo on their own connection."""

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import web

from crooked import limited, refused
from scene import Frame, eventually, is_plain
from stage import OpenStage, Stage
from tautwire.gateway.upstream.api import UpstreamError


async def test_the_ack_is_the_answer_of_the_upstream(stage: Stage) -> None:
    socket = await stage.connect()
    ack = await socket.say(stage.general, "hello &amp; welcome")
    (stored,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert ack == {"ok": True, "reply_to": ack["reply_to"], "ts": stored["ts"], "text": stored["text"]}
    assert stored["user"] == stage.bot


async def test_the_sender_gets_the_ack_and_the_other_connections_get_the_event(stage: Stage) -> None:
    sender, other = await stage.connect(), await stage.connect()
    ack = await sender.say(stage.general, "said by RTM")
    assert (await other.until(is_plain))["ts"] == ack["ts"]
    await stage.post("alice", stage.general, "end")
    assert [frame["text"] for frame in await stage.received(sender, "end") if is_plain(frame)] == ["end"]


async def test_a_channel_may_be_named(stage: Stage) -> None:
    """Slack's method takes names where RTM took ids; the channel of the event is known with the answer only."""
    sender, other = await stage.connect(), await stage.connect()
    ack = await sender.say("#general", "by name")
    assert (await other.until(is_plain))["ts"] == ack["ts"]
    await stage.post("alice", stage.general, "end")
    assert [frame["text"] for frame in await stage.received(sender, "end") if is_plain(frame)] == ["end"]


async def test_the_event_may_overtake_the_answer(stage: Stage) -> None:
    intake, gate = stage.gateway.relay.intake, asyncio.Event()

    async def late(method: str, _: dict[str, str]) -> None:
        if method == "chat.postMessage":
            await gate.wait()

    stage.line.after = late
    sender = await stage.connect()
    saying = asyncio.create_task(sender.say(stage.general, "slow answer"))
    await eventually(lambda: intake.waiting == 1)
    await stage.post("alice", stage.general, "behind it")
    await eventually(lambda: intake.waiting == 2)
    gate.set()
    assert (await saying)["ok"]
    frames = [frame["text"] for frame in await stage.received(sender, "behind it") if is_plain(frame)]
    assert frames == ["behind it"]
    assert stage.gateway.relay.echoes.held == 1


async def test_an_event_does_not_wait_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.echoes.PATIENCE", 0.05)
    gate = asyncio.Event()

    async def late(method: str, _: dict[str, str]) -> None:
        if method == "chat.postMessage":
            await gate.wait()

    stage.line.after = late
    sender = await stage.connect()
    saying = asyncio.create_task(sender.say(stage.general, "never mind"))
    await eventually(lambda: stage.gateway.relay.intake.figures.stored == 1)
    gate.set()
    assert (await saying)["ok"]
    assert (await sender.until(is_plain))["text"] == "never mind"


async def test_what_the_bot_posts_by_the_web_api_is_an_event_for_all(stage: Stage) -> None:
    socket = await stage.connect()
    answer = await stage.ok("chat.postMessage", channel=stage.general, text="by HTTP", as_user="true")
    assert (await socket.until(is_plain))["ts"] == answer["ts"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("channel_not_found", 0), ("not_in_channel", 0), ("no_text", 2), ("msg_too_long", 4), ("is_archived", 4),
        ("restricted_action", 4), ("something_new", 4),
    ],
)  # fmt: skip
async def test_a_refusal_is_an_error_reply(stage: Stage, error: str, code: int) -> None:
    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused(error) if method == "chat.postMessage" else None

    stage.line.before = refuse
    socket = await stage.connect()
    reply = await socket.say(stage.general, "no")
    assert (reply["ok"], reply["error"]["code"]) == (False, code)


async def test_a_message_to_an_unknown_channel_is_refused_by_the_upstream_itself(stage: Stage) -> None:
    socket = await stage.connect()
    assert (await socket.say("C0000000000", "hi"))["error"]["code"] == 0


async def test_a_call_that_comes_too_early_is_made_again_and_the_order_stays(stage: Stage) -> None:
    answers = [limited(0.01), None, limited(0.01), limited(0), None]

    async def limit(method: str, _: dict[str, str]) -> web.Response | None:
        return answers.pop(0) if method == "chat.postMessage" and answers else None

    stage.line.before = limit
    socket = await stage.connect()
    replies = await asyncio.gather(*(socket_say(socket, stage.general, number) for number in range(4)))
    assert replies == [None] * 4
    acks = [await socket.reply_to(number) for number in range(1, 5)]
    assert [ack["text"] for ack in acks] == ["0", "1", "2", "3"]
    history = await stage.upstream.history("alice", stage.general, limit=4)
    assert [message["text"] for message in history] == ["3", "2", "1", "0"]
    assert stage.gateway.relay.sending.figures.limited == 3


async def socket_say(socket: Any, channel: str, number: int) -> None:
    await socket.send(type="message", id=number + 1, channel=channel, text=str(number))


async def test_a_limit_that_lasts_is_slow_down(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.sending.MAX_WAIT", 0.5)

    async def limit(method: str, _: dict[str, str]) -> web.Response | None:
        return limited(30) if method == "chat.postMessage" else None

    stage.line.before = limit
    socket = await stage.connect()
    assert (await socket.say(stage.general, "no"))["error"]["code"] == -1


async def test_a_message_whose_outcome_is_not_known_has_no_ack_and_is_not_sent_again(stage: Stage) -> None:
    async def cut(method: str, _: dict[str, str]) -> None:
        if method == "chat.postMessage":
            raise web.HTTPBadGateway

    stage.line.after = cut
    socket = await stage.connect()
    reply = await socket.say(stage.general, "maybe")
    assert (reply["ok"], reply["error"]["code"]) == (False, 4)
    assert (await socket.until(is_plain))["text"] == "maybe", "it was accepted: the event shows it"
    assert stage.line.count("chat.postMessage") == 1


async def test_a_stop_answers_what_waits(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.gateway.sending.LAST_PATIENCE", 0.05)
    gate = asyncio.Event()

    async def late(method: str, _: dict[str, str]) -> None:
        if method == "chat.postMessage":
            await gate.wait()

    stage.line.after = late
    socket = await stage.connect()
    saying = asyncio.create_task(socket.say(stage.general, "in flight"))
    await eventually(lambda: stage.line.count("chat.postMessage") == 1)
    stopping = asyncio.create_task(stage.gateway.stop())
    reply = await saying
    assert not reply["ok"]
    await stopping
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_the_pace_of_a_channel(open_stage: OpenStage) -> None:
    stage = await open_stage(pace=True)
    socket = await stage.connect()
    for number in range(5):
        await socket_say(socket, stage.general, number)
    for number in range(1, 5):
        assert (await socket.reply_to(number))["ok"]
    assert stage.gateway.relay.sending.waiting == 1, "the burst is used up"
    assert (await socket.say(stage.ops, "another channel has its own"))["ok"]
    assert (await socket.reply_to(5))["ok"]


async def test_messages_that_wait_are_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tautwire.gateway.sending.MAX_WAITING", 10)
    gate = asyncio.Event()

    async def late(method: str, _: dict[str, str]) -> None:
        if method == "chat.postMessage":
            await gate.wait()

    stage.line.after = late
    socket = await stage.connect()
    await socket.send(type="message", id=1, channel=stage.general, text="12345678")
    assert (await socket.say(stage.ops, "123"))["error"]["code"] == -1
    gate.set()
    assert (await socket.reply_to(1))["ok"]
    assert (await socket.say(stage.ops, "123"))["ok"], "there is room again"
    assert stage.gateway.relay.sending._size == 0


async def test_typing_has_no_answer(stage: Stage) -> None:
    socket = await stage.connect()
    await socket.send(type="typing", id=9, channel=stage.general)
    frames: list[Frame] = await socket.fence()
    assert frames == []


async def test_an_upstream_that_cannot_be_reached_is_waited_for_and_then_it_is_an_error(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    api, calls = stage.gateway.relay.proxy.calls.api, 0
    call = api.call

    async def unreachable(method: str, arguments: object, token: object = None) -> object:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise UpstreamError("no route", was_sent=False)
        return await call(method, arguments, token)  # type: ignore[arg-type]

    monkeypatch.setattr(api, "call", unreachable)
    socket = await stage.connect()
    assert (await socket.say(stage.general, "at last"))["ok"]
    monkeypatch.setattr("tautwire.gateway.sending.MAX_WAIT", 0)
    calls = 0
    assert (await socket.say(stage.general, "never"))["error"]["code"] == 4
    assert calls == 1


async def test_a_reply_in_a_thread(stage: Stage) -> None:
    ts = await stage.post("alice", stage.general, "a question")
    socket = await stage.connect()
    ack = await socket.say(stage.general, "an answer", thread_ts=ts, reply_broadcast=True)
    (stored,) = await stage.upstream.history("alice", stage.general, limit=1)
    assert (stored["ts"], stored["thread_ts"], stored["subtype"]) == (ack["ts"], ts, "thread_broadcast")
    await stage.post("alice", stage.general, "end")
    frames = await stage.received(socket, "end")
    assert not [frame for frame in frames if frame.get("ts") == ack["ts"]], "a broadcast has no echo either"
