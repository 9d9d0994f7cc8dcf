"""Both ways through a gateway, as spans: an event of the upstream to the bots, and a bot's message to its ack."""

import asyncio

import pytest
from aiohttp import web
from opentelemetry.trace import SpanKind, StatusCode

from crooked import refused
from scene import eventually, is_plain
from spans import Spans, attributes, everything_said, id_of, parent_of, trace_of
from stage import OpenStage, Stage
from tautwire.gateway.intake import Intake
from tautwire.gateway.sending import Sending
from tautwire.gateway.upstream.api import Api
from tautwire.server.hub.hub import Hub
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import StoreError

EVENT = "process upstream event"
SEND = "send upstream message"


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def traced(open_stage: OpenStage, spans: Spans) -> Stage:
    return await open_stage(tracer_provider=spans.provider)


async def test_an_event_is_followed_from_the_upstream_to_the_last_bot(traced: Stage, spans: Spans) -> None:
    bots = await traced.connect(), await traced.connect()
    spans.clear()
    ts = await traced.post("alice", traced.general, "hello")
    for bot in bots:
        await bot.until(is_plain)
    event, commit, delivery = [await spans.one(name) for name in (EVENT, "commit", "send rtm event")]
    assert event.parent is None
    assert parent_of(commit) == parent_of(delivery) == id_of(event)
    assert event.kind is SpanKind.CONSUMER
    said = attributes(event)
    assert (said["messaging.message.id"], said["messaging.destination.name"]) == (ts, traced.general)
    assert said["tautwire.event.type"] == "message"
    assert attributes(delivery)["tautwire.connections"] == 2
    assert event.end_time >= commit.end_time  # it is acknowledged when it is durable


async def test_a_message_of_a_bot_is_followed_through_the_upstream_to_its_ack(traced: Stage, spans: Spans) -> None:
    bot = await traced.connect()
    spans.clear()
    ack = await bot.say(traced.general, "hello")
    frame, send, call = [await spans.one(name) for name in ("process rtm message", SEND, "POST chat.postMessage")]
    assert (parent_of(send), parent_of(call)) == (id_of(frame), id_of(send))
    assert len({trace_of(span) for span in (frame, send, call)}) == 1
    assert attributes(frame)["messaging.message.id"] == attributes(send)["messaging.message.id"] == ack["ts"]
    assert attributes(call)["http.response.status_code"] == 200
    assert call.end_time <= send.end_time <= frame.end_time


async def test_messages_that_wait_for_their_channel_keep_their_spans_apart(traced: Stage, spans: Spans) -> None:
    bot = await traced.connect()
    spans.clear()
    for number in range(5):
        await bot.send(type="message", id=number + 1, channel=traced.general, text="hello")
    for number in range(5):
        assert (await bot.reply_to(number + 1))["ok"]
    await eventually(lambda: len(spans.named("process rtm message")) == 5)
    frames = {id_of(span): attributes(span)["messaging.message.id"] for span in spans.named("process rtm message")}
    assert {parent_of(span): attributes(span)["messaging.message.id"] for span in spans.named(SEND)} == frames


async def test_events_that_wait_for_their_channel_keep_their_spans_apart(traced: Stage, spans: Spans) -> None:
    bot, gate = await traced.connect(), asyncio.Event()

    async def late(method: str, _: dict[str, str]) -> None:
        if method == "chat.postMessage":
            await gate.wait()

    traced.line.after = late
    saying = asyncio.create_task(bot.say(traced.general, "slow answer"))
    intake = traced.gateway.relay.intake
    await eventually(lambda: intake.waiting == 1)
    await traced.post("alice", traced.general, "behind it")
    await eventually(lambda: intake.waiting == 2)
    spans.clear()
    gate.set()
    assert (await saying)["ok"]
    await eventually(lambda: len(spans.named(EVENT)) == 2 and len(spans.named("commit")) == 2)
    assert {parent_of(span) for span in spans.named("commit")} == {id_of(span) for span in spans.named(EVENT)}
    assert not intake._entered


async def test_a_call_of_a_bot_is_one_trace_up_to_the_upstream(traced: Stage, spans: Spans) -> None:
    seen: dict[str, str] = {}
    traced.line.sees = lambda request, _: seen.update({request.path: request.headers.get("traceparent", "")})
    spans.clear()
    await traced.ok("chat.postMessage", channel=traced.general, text="hello")
    served, call = [await spans.one(name) for name in ("POST /api/{method}", "POST chat.postMessage")]
    assert parent_of(call) == id_of(served)
    assert seen["/api/chat.postMessage"].startswith(f"00-{trace_of(call):032x}-{id_of(call):016x}-")


async def test_a_refusal_of_the_upstream_is_an_error(traced: Stage, spans: Spans) -> None:
    bot = await traced.connect()

    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused("is_archived") if method == "chat.postMessage" else None

    traced.line.before = refuse
    spans.clear()
    assert not (await bot.say(traced.general, "the secret text"))["ok"]
    for name in ("process rtm message", SEND):
        span = await spans.one(name)
        assert (span.status.status_code, attributes(span)["error.type"]) == (StatusCode.ERROR, "is_archived")
    said = everything_said(spans)
    assert "secret" not in said
    assert "xoxb-" not in said


async def test_an_event_that_cannot_be_stored_is_an_error(
    traced: Stage, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Writer, *_: object) -> None:
        raise StoreError("the disk is full")

    spans.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "post", refuse)
        payload = (
            b'{"event_id":"Ev0TRACED","event":{"type":"message","channel":"%b","user":"U0ELSE","text":"x",'
            b'"ts":"1700000000.000100","event_ts":"1700000000.000100"}}' % traced.general.encode()
        )
        traced.gateway.relay.intake.receive(payload, lambda: None)
    event = await spans.one(EVENT)
    assert (attributes(event)["error.type"], attributes(event)["tautwire.put_off"]) == ("StoreError", True)
    assert traced.gateway.relay.intake.waiting == 0


async def test_a_gateway_without_traces_is_built_of_the_plain_parts(stage: Stage) -> None:
    relay = stage.gateway.relay
    kinds = [
        type(each) for each in (relay.intake, relay.sending, relay.api, relay.workspace.hub, relay.workspace.writer)
    ]
    assert kinds == [Intake, Sending, Api, Hub, Writer]
