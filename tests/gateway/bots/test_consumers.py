"""Socket Mode at the gateway: every connection gets every event as the upstream sent it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from scene import PATIENCE, eventually
from several import Several
from tautwire.gateway.downstream import door, stream

Frame = dict[str, Any]


@pytest.fixture
async def several(tmp_path: Path) -> AsyncIterator[Several]:
    async with Several.opened(tmp_path) as opened:
        yield opened


@pytest.fixture
async def desk(several: Several) -> Several:
    await several.start(several.settings("desk", socket_mode=True))
    return several


class Consumer:
    """A connection that acknowledges when it is told to."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def frame(self) -> Frame:
        async with asyncio.timeout(PATIENCE):
            found: Frame = await self.ws.receive_json()
        return found

    async def text(self, *, acknowledge: bool = True) -> str:
        """Return the text of the next event, which is a message."""
        frame = await self.frame()
        assert frame["type"] == "events_api", frame
        if acknowledge:
            await self.ws.send_json({"envelope_id": frame["envelope_id"]})
        return str(frame["payload"]["event"]["text"])


def app_token(several: Several) -> str:
    return several.token("bot", "app")


async def consume(several: Several) -> Consumer:
    """Open a connection, up to and including the hello."""
    answer = await several.request(app_token(several), "apps.connections.open")
    assert answer["ok"], answer
    consumer = Consumer(await several.upstream.http.ws_connect(answer["url"], compress=0))
    assert (await consumer.frame())["type"] == "hello"
    return consumer


async def say(several: Several, *texts: str) -> None:
    for text in texts:
        await several.upstream.post("alice", several.upstream.general, text)


async def test_every_connection_gets_every_event_as_it_came(desk: Several) -> None:
    received: list[bytes] = []
    relay = desk.gateway.relay
    merge = relay.link._merge
    taken = merge._receive

    def receive(payload: bytes, acknowledge: Any) -> None:
        received.append(payload)
        taken(payload, acknowledge)

    merge._receive = receive
    consumers = [await consume(desk) for _ in range(3)]
    await say(desk, "one", "two")
    for consumer in consumers:
        frames = [await consumer.frame() for _ in range(2)]
        assert [frame["payload"] for frame in frames] == [json.loads(payload) for payload in received]
        assert [frame["payload"]["event"]["text"] for frame in frames] == ["one", "two"]
        assert not any(frame["accepts_response_payload"] for frame in frames)
        for frame in frames:
            await consumer.ws.send_json({"envelope_id": frame["envelope_id"]})
    await eventually(lambda: relay.consumers.figures.acknowledged == 6)
    assert relay.consumers.open_events == 0
    _, metrics = await desk.probe("/metrics")
    assert 'tautwire_consumer_connections{bot="bot"} 3.0' in metrics
    assert 'tautwire_consumer_events_acknowledged_total{bot="bot"} 6.0' in metrics


async def test_an_event_that_rtm_does_not_have_comes_too(desk: Several) -> None:
    consumer, socket = await consume(desk), await desk.connect(desk.gateway.local_token.reveal())
    await say(desk, f"hello <@{desk.upstream.users['desk']}>")
    types = {(await consumer.frame())["payload"]["event"]["type"] for _ in range(2)}
    assert types == {"message", "app_mention"}
    assert await socket.events() == ["message"]


async def test_a_connection_goes_on_where_the_one_before_it_was_lost(
    desk: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await consume(desk)
    await say(desk, "one", "two", "three")
    assert await first.text() == "one"
    assert await first.text(acknowledge=False) == "two"
    assert await first.text() == "three"
    await eventually(lambda: desk.gateway.relay.consumers.figures.acknowledged == 2)
    await first.ws.close()
    await eventually(lambda: not desk.gateway.relay.consumers.connections)
    await say(desk, "four")
    second = await consume(desk)
    frame = await second.frame()
    assert (frame["payload"]["event"]["text"], frame["retry_attempt"]) == ("two", 1)
    frame = await second.frame()
    assert (frame["payload"]["event"]["text"], frame["retry_attempt"]) == ("four", 0)
    monkeypatch.setattr(door, "RETURN", 0.0)
    third = await consume(desk)
    await say(desk, "five")
    assert [await each.text() for each in (second, third)] == ["five", "five"]
    assert desk.gateway.relay.consumers.figures.repeated == 1


async def test_events_come_that_were_stored_before_a_program_came_back_from_a_restart(desk: Several) -> None:
    await (await consume(desk)).ws.close()
    await desk.gateway.stop()
    await say(desk, "meanwhile")
    await desk.start(desk.settings("desk", socket_mode=True))
    await eventually(lambda: desk.gateway.relay.intake.figures.stored == 1)
    assert await (await consume(desk)).text() == "meanwhile"


async def test_a_new_connection_gets_what_happens_from_then_on(desk: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "RETURN", 0.0)
    await say(desk, "before")
    await eventually(lambda: desk.gateway.relay.intake.figures.stored == 1)
    consumer = await consume(desk)
    await say(desk, "after")
    assert await consumer.text() == "after"


async def test_a_connection_that_does_not_acknowledge_is_bounded(
    desk: Several, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream, "MAX_OPEN", 3)
    lazy, eager = await consume(desk), await consume(desk)
    texts = [f"message {number}" for number in range(6)]
    await say(desk, *texts)
    assert [await eager.text() for _ in texts] == texts
    envelopes = [(await lazy.frame())["envelope_id"] for _ in range(3)]
    await eventually(lambda: "has not acknowledged an event" in caplog.text)
    await eventually(lambda: desk.gateway.relay.consumers.open_events == 3)
    # What is not the oldest opens nothing; wrong ids and other frames are nothing.
    for odd in ({"envelope_id": envelopes[1]}, {"envelope_id": "x"}, {"envelope_id": envelopes[1]}, {}):
        await lazy.ws.send_json(odd)
    await lazy.ws.send_str("not JSON")
    await eventually(lambda: desk.gateway.relay.consumers.open_events == 2)
    await lazy.ws.send_json({"envelope_id": envelopes[0]})
    assert [await lazy.text() for _ in range(2)] == texts[3:5]
    await lazy.ws.send_json({"envelope_id": envelopes[2]})
    assert await lazy.text() == texts[5]
    await eventually(lambda: desk.gateway.relay.consumers.open_events == 0)


async def test_what_is_older_than_the_memory_is_read_from_the_log(desk: Several) -> None:
    first = await consume(desk)
    await say(desk, "one")
    assert await first.text() == "one"
    await first.ws.close()
    await eventually(lambda: not desk.gateway.relay.consumers.connections)
    texts = [f"message {number}" for number in range(40)]
    await say(desk, *texts)
    relay = desk.gateway.relay
    await eventually(lambda: relay.intake.figures.stored == 41)
    tail = relay.workspace.tail
    while tail.oldest < tail.position - 5:  # as if the memory were full
        tail.size -= len(tail._entries.popleft().payload)
    second = await consume(desk)
    assert [await second.text() for _ in texts] == texts


async def test_there_are_so_many_connections_at_most(desk: Several, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "MAX_CONNECTIONS", 1)
    kept = await consume(desk)
    answer = await desk.request(app_token(desk), "apps.connections.open")
    refused = Consumer(await desk.upstream.http.ws_connect(answer["url"]))
    frame = await refused.frame()
    assert (frame["type"], frame["reason"]) == ("disconnect", "too_many_websockets")
    await say(desk, "one")
    assert await kept.text() == "one"


async def test_a_ticket_is_for_one_connection(desk: Several) -> None:
    answer = await desk.request(app_token(desk), "apps.connections.open")
    first = await desk.upstream.http.ws_connect(answer["url"])
    again = Consumer(await desk.upstream.http.ws_connect(answer["url"]))
    assert (await again.frame())["reason"] == "link_disabled"
    assert not first.closed


async def test_the_token_for_socket_mode_is_for_nothing_else(desk: Several) -> None:
    for method in ("chat.postMessage", "rtm.connect", "auth.test", "conversations.list"):
        assert (await desk.request(app_token(desk), method))["error"] == "not_allowed_token_type"
    bot = desk.gateway.local_token.reveal()
    assert (await desk.request(bot, "apps.connections.open"))["error"] == "not_allowed_token_type"
    assert app_token(desk).startswith("xapp-")


async def test_without_the_setting_there_is_no_token_and_nothing_is_stored_twice(desk: Several) -> None:
    token = app_token(desk)
    await desk.gateway.stop()
    await desk.start(desk.settings("desk"))
    assert "app" not in desk.gateway.relay.local_tokens
    assert (await desk.request(token, "apps.connections.open"))["error"] == "invalid_auth"
    await eventually(lambda: not desk.gateway.relay.catch_up.is_running)
    before = desk.gateway.relay.workspace.tail.position
    await say(desk, "one")
    await eventually(lambda: desk.gateway.relay.intake.figures.stored == 1)
    assert desk.gateway.relay.workspace.tail.position == before + 2, "the frame and the id"


async def test_slack_sdk_gets_every_event_in_each_of_its_clients(desk: Several) -> None:
    texts: dict[int, list[str]] = {0: [], 1: []}
    clients = []
    for number in list(texts):
        web = AsyncWebClient(token=desk.gateway.local_token.reveal(), base_url=desk.gateway.api_url)
        client = SocketModeClient(app_token=app_token(desk), web_client=web)

        async def listen(client: SocketModeClient, request: SocketModeRequest, number: int = number) -> None:
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
            event = request.payload["event"]
            if event["type"] == "message" and "bot_id" not in event:
                texts[number].append(event["text"])
                if number == 0:
                    await client.web_client.chat_postMessage(channel=event["channel"], text=f"echo: {event['text']}")

        client.socket_mode_request_listeners.append(listen)
        await client.connect()
        clients.append(client)
    try:
        await eventually(lambda: desk.gateway.relay.consumers.traffic.opened == 2)
        await say(desk, "one", "two")
        await eventually(lambda: all(found == ["one", "two"] for found in texts.values()))
        await eventually(lambda: desk.gateway.relay.consumers.open_events == 0)
        async with asyncio.timeout(PATIENCE):
            while True:
                history = await desk.upstream.history("alice", desk.upstream.general, limit=10)
                if {"echo: one", "echo: two"} <= {each["text"] for each in history}:
                    break
                await asyncio.sleep(0.05)
    finally:
        for client in clients:
            await client.close()
