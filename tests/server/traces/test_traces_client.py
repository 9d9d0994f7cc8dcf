"""A client's sends as spans, beside those of the real server that it sends to."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from opentelemetry.trace import SpanKind, StatusCode
from slack_sdk.errors import SlackApiError

from scene import OpenScene, Scene, eventually
from spans import Spans, attributes, everything_said, id_of, parent_of, trace_of
from tautwire import BlockingRTMClient, ConnectError, NotConnected, RTMClient, SendRefused
from tautwire.client.sending.sending import Sending

SEND = "send rtm message"


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def traced(open_scene: OpenScene, spans: Spans) -> Scene:
    return await open_scene(tracer_provider=spans.provider)


@pytest.fixture
async def client(traced: Scene, spans: Spans) -> AsyncIterator[RTMClient]:
    client = RTMClient(traced.tokens["alice"], traced.server.api_url, tracer_provider=spans.provider)
    async with client:
        await eventually(lambda: len(spans.named("connect")) == 1)
        yield client


async def test_a_send_is_followed_to_its_ack_and_leads_to_the_server(
    traced: Scene, spans: Spans, client: RTMClient
) -> None:
    with spans.provider.get_tracer("bot").start_as_current_span("work"):
        ack = await client.say(traced.general, "hello")
    send, work, frame = [await spans.one(name) for name in (SEND, "work", "process rtm message")]
    assert parent_of(send) == id_of(work)
    assert send.kind is SpanKind.PRODUCER
    assert [event.name for event in send.events] == ["sent"]
    assert attributes(send) == {
        "messaging.system": "tautwire",
        "messaging.operation.name": "message",
        "messaging.operation.type": "send",
        "messaging.destination.name": traced.general,
        "messaging.message.id": ack.ts,
    }
    assert attributes(frame)["messaging.message.id"] == ack.ts
    assert send.start_time <= send.events[0].timestamp <= frame.end_time


async def test_connecting_is_one_trace_with_the_server(traced: Scene, spans: Spans, client: RTMClient) -> None:
    connect, call, served = [await spans.one(name) for name in ("connect", "POST rtm.connect", "POST /api/rtm.connect")]
    assert connect.parent is None
    assert parent_of(call) == id_of(connect)
    assert parent_of(served) == id_of(call)
    assert len({trace_of(span) for span in (connect, call, served)}) == 1


async def test_a_call_of_the_web_client_carries_its_trace(traced: Scene, spans: Spans, client: RTMClient) -> None:
    spans.clear()
    await client.web.chat_postMessage(channel=traced.general, text="hello")
    call, served = [await spans.one(name) for name in ("POST chat.postMessage", "POST /api/chat.postMessage")]
    assert (call.kind, parent_of(served), trace_of(served)) == (SpanKind.CLIENT, id_of(call), trace_of(call))
    assert attributes(call)["http.response.status_code"] == 200
    spans.clear()
    with pytest.raises(SlackApiError):
        await client.web.chat_postMessage(channel="C0NOWHERE", text="hello")
    call = await spans.one("POST chat.postMessage")
    assert (call.status.status_code, attributes(call)["error.type"]) == (StatusCode.ERROR, "channel_not_found")


async def test_a_refused_send_is_an_error(traced: Scene, spans: Spans, client: RTMClient) -> None:
    with pytest.raises(SendRefused):
        await client.say("a secret", "another secret")
    send = await spans.one(SEND)
    assert send.status.status_code is StatusCode.ERROR
    assert attributes(send)["error.type"]
    assert "secret" not in everything_said(spans)
    assert traced.tokens["alice"] not in everything_said(spans)


async def test_a_send_that_cannot_leave_is_an_error() -> None:
    spans = Spans()
    client = RTMClient("xoxb-1", "http://127.0.0.1:9/api/", tracer_provider=spans.provider, offline="fail")
    with pytest.raises(NotConnected):
        await client.say("C1", "x")
    assert attributes(await spans.one(SEND))["error.type"] == "NotConnected"
    with pytest.raises((ConnectError, TimeoutError)):
        await asyncio.wait_for(client.connect(), 0.5)
    await client.close()
    assert attributes(spans.named("connect")[0])["error.type"] == "ConnectError"


async def test_other_frames_have_no_span(traced: Scene, spans: Spans, client: RTMClient) -> None:
    await client.ping()
    await client.typing(traced.general)
    assert not spans.named(SEND)


async def test_a_blocking_client_sends_in_the_trace_of_its_caller(traced: Scene, spans: Spans) -> None:
    def work() -> None:
        with (
            BlockingRTMClient(traced.tokens["alice"], traced.server.api_url, tracer_provider=spans.provider) as client,
            spans.provider.get_tracer("bot").start_as_current_span("work"),
        ):
            client.say(traced.general, "hello")

    await asyncio.to_thread(work)
    assert parent_of(await spans.one(SEND)) == id_of(await spans.one("work"))


def test_a_client_without_traces_is_built_of_the_plain_parts() -> None:
    client = RTMClient("xoxb-1", "http://127.0.0.1:9/api/")
    assert type(client.sending) is Sending
    assert "api_call" not in vars(client.web)
