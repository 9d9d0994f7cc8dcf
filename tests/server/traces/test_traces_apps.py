"""The way of an event to an app, as spans."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from appside import APP_SEED, AppSide
from scene import OpenScene, Scene, eventually
from sites import Site, failing, ok, seed, settled, tap
from spans import Spans, attributes, everything_said, id_of, parent_of
from tautwire.server.taps import window
from tautwire.server.traces import recent
from tautwire.server.traces.tap import GIVEN_UP

SEND = "send app event"


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def scene(open_scene: OpenScene, spans: Spans) -> Scene:
    return await open_scene(seed=APP_SEED, tracer_provider=spans.provider)


@pytest.fixture
def desk(scene: Scene) -> AppSide:
    return AppSide(scene)


async def ended(spans: Spans, count: int) -> list[ReadableSpan]:
    """Return the spans of sent events, once so many have ended."""
    await eventually(lambda: len(spans.named(SEND)) >= count)
    return spans.named(SEND)


async def test_an_event_is_followed_to_its_acknowledgement(scene: Scene, desk: AppSide, spans: Spans) -> None:
    socket = await desk.connect()
    ts = await scene.post("alice", scene.general, "hello")
    envelope = await socket.envelope()
    call = await spans.one("POST /api/chat.postMessage")
    assert not spans.named(SEND)

    await socket.ack(envelope)

    (span,) = await ended(spans, 1)
    assert parent_of(span) == id_of(call)
    assert attributes(span) == {
        "messaging.system": "tautwire",
        "messaging.operation.name": "event",
        "messaging.operation.type": "send",
        "messaging.destination.name": scene.general,
        "messaging.message.body.size": attributes(span)["messaging.message.body.size"],
        "tautwire.app.id": desk.id,
        "tautwire.event.id": envelope["payload"]["event_id"],
        "tautwire.event.attempt": 0,
        "tautwire.log.position": attributes(span)["tautwire.log.position"],
    }
    assert span.status.status_code is StatusCode.UNSET
    said = everything_said(spans)
    for secret in ("hello", scene.tokens["desk app"], scene.tokens["alice"]):
        assert secret not in said
    assert ts in said


async def test_an_event_that_is_sent_again_has_another_span(scene: Scene, desk: AppSide, spans: Spans) -> None:
    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    await socket.envelope()
    await socket.close()
    (first,) = await ended(spans, 1)

    socket = await desk.connect()
    await socket.take()

    _, second = await ended(spans, 2)
    assert parent_of(first) == parent_of(second)
    assert [attributes(each).get("error.type") for each in (first, second)] == [window.LOST, None]
    assert [attributes(each)["tautwire.event.attempt"] for each in (first, second)] == [0, 1]
    assert attributes(first)["tautwire.event.id"] == attributes(second)["tautwire.event.id"]


async def test_an_event_that_is_late_or_given_up_is_an_error_of_its_span(
    scene: Scene, desk: AppSide, spans: Spans
) -> None:
    socket = await desk.connect()
    await scene.post("alice", scene.general, "hello")
    await socket.envelope()
    await scene.post("alice", scene.general, "this one the app has a listener for")
    await socket.take()
    for _ in range(window.MAX_RETRIES):
        scene.clock.offset += window.ACK_TIME + 1
        await socket.envelope()
    scene.clock.offset += window.ACK_TIME + 1

    said = [attributes(each).get("error.type") for each in await ended(spans, window.MAX_RETRIES + 2)]

    assert said == [None, *[window.TIMEOUT] * window.MAX_RETRIES, GIVEN_UP]


async def test_over_http_a_failure_says_its_reason(open_scene: OpenScene, spans: Spans, site: Site) -> None:
    scene = await open_scene(seed=seed(desk=site.url), tracer_provider=spans.provider)
    await eventually(lambda: tap(scene).is_running)
    site.answer = failing
    await scene.post("alice", scene.general, "hello")
    await site.take()
    await site.take()
    (failed,) = await ended(spans, 1)
    assert attributes(failed)["error.type"] == "http_error"

    site.answer = ok
    await eventually(lambda: bool(tap(scene)._window._waiting))
    scene.clock.offset += window.PAUSES[1] + 1
    await settled(scene)

    _, taken = await ended(spans, 2)
    assert "error.type" not in attributes(taken)
    assert attributes(taken)["tautwire.event.attempt"] == 2


async def test_an_app_that_returns_late_has_no_spans_for_what_is_forgotten(
    scene: Scene, desk: AppSide, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_RECENT", 2)
    await desk.leave(await desk.connect())
    for number in range(5):
        await scene.post("alice", scene.general, str(number))

    socket = await desk.connect()
    for _ in range(5):
        await socket.take()

    await ended(spans, 2)
    assert len(spans.named(SEND)) == 2
