"""Events over HTTP: signed requests of the upstream to the gateway's own port."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest
from slack_sdk.signature import SignatureVerifier

from scene import eventually, is_plain
from stage import OpenStage, Stage
from tautwire.gateway.config import GatewaySettings
from tautwire.gateway.upstream import receiver
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.signing import is_signed, signed
from tautwire.server.web_api.bodies import Bodies

EVENT = {"type": "event_callback", "event_id": "Ev1", "event": {"type": "team_rename", "name": "X"}}


@pytest.fixture
async def http_stage(open_stage: OpenStage) -> Stage:
    return await open_stage(events="http")


def secret_of(stage: Stage) -> str:
    return str(stage.upstream.directory.apps["desk"]["signing_secret"])


async def send(stage: Stage, body: bytes, *, content_type: str = "application/json", **options: Any) -> tuple[int, str]:
    """Post a body to the gateway; return status and body of the answer."""
    headers = signed(options.get("secret", secret_of(stage)), body, int(time.time()) + options.get("skew", 0))
    headers |= {"Content-Type": content_type, **options.get("headers", {})}
    async with stage.upstream.http.request(
        options.get("verb", "POST"), stage.line.events_url, data=body, headers=headers
    ) as response:
        return response.status, (await response.read()).decode()


async def test_events_come_in_order_and_once(http_stage: Stage) -> None:
    stage = http_stage
    socket = await stage.connect()
    stage.line.drops_ack = lambda event: True
    stage.line.repeats = lambda event: True
    for number in range(10):
        await stage.post("alice", stage.general, f"message {number}")
    frames = await stage.received(socket, "message 9")
    assert [each["text"] for each in frames if is_plain(each)] == [f"message {number}" for number in range(10)]
    await stage.settled()
    assert stage.gateway.relay.intake.figures.repeated >= 20


async def test_events_that_came_while_the_gateway_was_down_come_after_it(http_stage: Stage) -> None:
    stage = http_stage
    socket = await stage.connect(resume="")
    start = str((await socket.until("position"))["position"])
    await stage.settled()
    await stage.gateway.stop()
    await stage.post("alice", stage.general, "missed")
    stage.upstream.clock.offset += 61
    await stage.start()
    await stage.post("alice", stage.general, "after")
    back = await stage.connect(resume=start)
    texts = [each["text"] for each in await stage.received(back, "after") if is_plain(each)]
    assert texts == ["missed", "after"]


async def test_a_challenge_is_answered(http_stage: Stage) -> None:
    body = json.dumps({"type": "url_verification", "challenge": "abc", "token": "x"}).encode()
    assert await send(http_stage, body) == (200, "abc")


@pytest.mark.parametrize(
    "options",
    [
        {"secret": "another secret"},
        {"skew": -301},
        {"skew": 301},
        {"headers": {"X-Slack-Signature": ""}},
        {"headers": {"X-Slack-Signature": "v0=ü"}},
        {"headers": {"X-Slack-Request-Timestamp": "-1"}},
        {"headers": {"X-Slack-Request-Timestamp": "9" * 5_000}},
    ],
)
async def test_what_is_not_signed_rightly_is_refused(http_stage: Stage, options: dict[str, Any]) -> None:
    status, _ = await send(http_stage, json.dumps(EVENT).encode(), **options)
    assert status == 401
    assert http_stage.gateway.relay.intake.figures.stored == 0


async def test_requests_of_people_are_answered_with_nothing(http_stage: Stage) -> None:
    for body in (b"command=%2Fx&text=", b"payload=%7B%22type%22%3A%22block_actions%22%7D", b"ssl_check=1"):
        assert await send(http_stage, body, content_type="application/x-www-form-urlencoded") == (200, "")


async def test_bodies_are_bounded_and_what_cannot_be_read_is_refused(
    http_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_stage.gateway.relay.link, "_bodies", Bodies(60_000))
    assert (await send(http_stage, b"{"))[0] == 400
    assert (await send(http_stage, b"[" * 50_000))[0] == 400
    assert (await send(http_stage, json.dumps({"type": "app_rate_limited"}).encode()))[0] == 200
    assert (await send(http_stage, b"", verb="GET"))[0] == 405
    assert (await send(http_stage, b"x" * 60_001))[0] == 413


async def test_an_event_that_is_not_durable_in_time_is_put_off_and_then_known(
    http_stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = http_stage
    monkeypatch.setattr(receiver, "TIME_LIMIT", 0.1)
    writer = stage.gateway.relay.workspace.writer
    post, held = writer.post, []
    monkeypatch.setattr(writer, "post", lambda *job: held.append(job))
    body = json.dumps(EVENT).encode()
    assert (await send(stage, body))[0] == 503
    monkeypatch.setattr(writer, "post", post)
    for job in held:
        post(*job)
    await eventually(lambda: stage.gateway.relay.intake.figures.stored == 1)
    assert (await send(stage, body))[0] == 200
    assert stage.gateway.relay.intake.figures.repeated == 1


async def test_the_secret_is_in_no_text(http_stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await http_stage.restart()
    await send(http_stage, json.dumps(EVENT).encode(), secret="wrong")
    assert "SLACK_SIGNING_SECRET" in caplog.text
    for text in (caplog.text, repr(http_stage.gateway.settings), repr(http_stage.gateway.relay.__dict__)):
        assert secret_of(http_stage) not in text


async def test_the_path_is_there_for_events_over_http_only(stage: Stage) -> None:
    async with stage.upstream.http.post(stage.gateway.api_url.replace("/api/", receiver.events_path())) as response:
        assert response.status == 404


def test_a_gateway_for_http_needs_the_signing_secret_and_no_app_token() -> None:
    settings = GatewaySettings(events="http", bot_token="xoxb-" + "1" * 20)
    with pytest.raises(ConfigError, match="SLACK_SIGNING_SECRET"):
        settings.read_signing_secret()


def test_signatures_are_those_of_slack_sdk() -> None:
    secret, body, now = "7b1f0a9c3d5e4f60a1b2c3d4e5f60718", b"a body", int(time.time())
    headers = signed(secret, body, now)
    assert SignatureVerifier(secret).is_valid_request(body, headers)
    given = (headers["X-Slack-Request-Timestamp"], headers["X-Slack-Signature"])
    assert is_signed(secret, body, *given, now + 300)
    assert not is_signed(secret, body, *given, now + 301)
    assert not is_signed(secret, body + b"x", *given, now)
    assert not is_signed(secret, body, "", given[1], now)


async def test_many_requests_at_once_are_all_answered(http_stage: Stage) -> None:
    bodies = [json.dumps({**EVENT, "event_id": f"Ev{number}"}).encode() for number in range(100)]
    answers = await asyncio.gather(*(send(http_stage, body) for body in bodies))
    assert {status for status, _ in answers} == {200}
