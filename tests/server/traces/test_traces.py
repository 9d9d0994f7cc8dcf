"""A message's way through a real server, as spans."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode
from stores import Store

from appside import APP_SEED
from scene import OpenScene, Scene, eventually, is_plain
from spans import Spans, attributes, everything_said, id_of, parent_of, trace_of
from tautwire.protocol.errors import ConfigError
from tautwire.server.app import Server
from tautwire.server.config import Settings
from tautwire.server.hub.hub import Hub
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import StoreError
from tautwire.server.taps.tap import Tap
from tautwire.server.traces.opening import open_tracing
from tautwire.server.web_api.app import WebApi

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
"""A traceparent whose caller records."""
POST = "POST /api/chat.postMessage"


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
async def traced(open_scene: OpenScene, spans: Spans) -> Scene:
    return await open_scene(tracer_provider=spans.provider)


async def test_a_frame_is_followed_through_the_commit_to_the_last_socket(
    traced: Scene, spans: Spans, store: Store
) -> None:
    alice, bob, again = [await traced.connect(who) for who in ("alice", "bob", "bob")]
    spans.clear()
    ack = await alice.say(traced.general, "hello")
    for socket in (bob, again):
        await socket.until(is_plain)
    frame, commit, delivery = [await spans.one(name) for name in ("process rtm message", "commit", "send rtm event")]
    assert frame.parent is None
    assert parent_of(commit) == parent_of(delivery) == id_of(frame)
    assert (frame.kind, delivery.kind) == (SpanKind.CONSUMER, SpanKind.PRODUCER)
    assert attributes(frame) == {
        "messaging.system": "tautwire",
        "messaging.operation.name": "message",
        "messaging.operation.type": "process",
        "messaging.client.id": attributes(frame)["messaging.client.id"],
        "messaging.destination.name": traced.general,
        "messaging.message.id": ack["ts"],
        "user.id": traced.users["alice"],
    }
    system = "sqlite" if store.kind == "sqlite" else "postgresql"
    stored = attributes(commit)
    assert (stored["db.system.name"], stored["tautwire.log.entries"]) == (system, 1)
    assert stored["db.operation.batch.size"] >= 1  # what the server changes by itself may be in the same commit
    assert [event.name for event in commit.events] == ["batch began"]
    said = attributes(delivery)
    assert (said["tautwire.connections"], said["messaging.message.id"]) == (2, ack["ts"])
    assert frame.start_time <= commit.start_time <= commit.events[0].timestamp <= commit.end_time
    assert commit.end_time <= delivery.start_time <= delivery.end_time


async def test_a_call_belongs_to_the_trace_of_its_caller(traced: Scene, spans: Spans) -> None:
    bob = await traced.connect("bob")
    spans.clear()
    headers = {**traced.bearer("alice"), "traceparent": CALLER}
    answer = await traced.request(
        "POST", "chat.postMessage", data={"channel": traced.general, "text": "hello"}, headers=headers
    )
    assert answer.body["ok"]
    await bob.until(is_plain)
    call, commit, delivery = [await spans.one(name) for name in (POST, "commit", "send rtm event")]
    assert {trace_of(span) for span in (call, commit, delivery)} == {int(CALLER[3:35], 16)}
    assert parent_of(call) == int(CALLER[36:52], 16)
    assert parent_of(commit) == parent_of(delivery) == id_of(call)
    assert attributes(call) == {
        "http.request.method": "POST",
        "http.route": "/api/chat.postMessage",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "user.id": traced.users["alice"],
    }


async def test_a_refusal_is_an_error_of_its_spans(traced: Scene, spans: Spans) -> None:
    carol = await traced.connect("carol")
    spans.clear()
    assert not (await carol.say(traced.general, "let me in"))["ok"]
    frame, commit = [await spans.one(name) for name in ("process rtm message", "commit")]
    assert {span.status.status_code for span in (frame, commit)} == {StatusCode.ERROR}
    assert attributes(frame)["error.type"] == attributes(commit)["error.type"] == "not_in_channel"
    assert not spans.named("send rtm event")
    assert await traced.error("carol", "chat.postMessage", channel="C0NOWHERE", text="x") == "channel_not_found"
    call = await spans.one(POST)
    assert (call.status.status_code, attributes(call)["error.type"]) == (StatusCode.ERROR, "channel_not_found")


async def test_spans_say_no_text_no_token_and_nothing_that_a_caller_made_up(traced: Scene, spans: Spans) -> None:
    alice = await traced.connect("alice")
    await alice.say(traced.general, "the secret text")
    await alice.say("the secret channel", "x")
    await traced.request("POST", "the.secret.method", headers={"Authorization": "Bearer xoxb-the-secret-token"})
    await traced.request("POST", f"chat.postMessage?token={traced.tokens['alice']}&channel=secret+name&text=secret")
    await eventually(lambda: len(spans.named(POST)) == 1)
    said = everything_said(spans)
    assert "POST /api/{method}" in said
    assert "secret" not in said
    assert not [token for token in traced.tokens.values() if token in said]


async def test_a_connection_that_is_lost_with_the_frame_is_counted(
    traced: Scene, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = await traced.connect("alice"), await traced.connect("bob")
    hub = traced.server.workspace.hub
    (there,) = hub.connections_of(traced.users["bob"])
    fan_out = Hub._fan_out

    def and_lose(hub: Hub, entry: Any) -> None:
        fan_out(hub, entry)
        hub.detach(there)

    monkeypatch.setattr(Hub, "_fan_out", and_lose)
    await alice.say(traced.general, "hello")
    delivery = await spans.one("send rtm event")
    assert attributes(delivery)["tautwire.connections.lost"] == 1
    assert not hub._awaited
    assert hub._count == 0
    await bob.close()


async def test_what_a_failing_store_refuses_is_an_error_and_leaves_nothing(
    traced: Scene, spans: Spans, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice = await traced.connect("alice")
    committer = traced.server.workspace.writer._committer
    commit = committer.commit

    def fail(batch: Any) -> Any:
        commit(batch)  # the entries have got their places
        raise StoreError("the disk is full")

    monkeypatch.setattr(committer, "commit", fail)
    spans.clear()
    assert not (await alice.say(traced.general, "hello"))["ok"]
    monkeypatch.undo()
    span = await spans.one("commit")
    assert attributes(span)["error.type"] == "StoreError"
    assert "disk" not in everything_said(spans)
    assert not traced.server.workspace.hub._stored
    caplog.clear()


async def test_what_is_not_sampled_costs_no_span(open_scene: OpenScene) -> None:
    spans = Spans(ALWAYS_OFF)
    scene = await open_scene(tracer_provider=spans.provider)
    alice = await scene.connect("alice")
    assert (await alice.say(scene.general, "hello"))["ok"]
    assert spans.all == ()
    assert not scene.server.workspace.hub._stored


async def test_many_messages_at_once_keep_their_spans_apart(traced: Scene, spans: Spans) -> None:
    alice, bob = await traced.connect("alice"), await traced.connect("bob")
    spans.clear()
    for number in range(20):
        await alice.send(type="message", id=number + 1, channel=traced.general, text="hello")
    stamps = [(await bob.until(is_plain))["ts"] for _ in range(20)]
    await eventually(lambda: len(spans.named("send rtm event")) == len(spans.named("process rtm message")) == 20)
    frames = {attributes(span)["messaging.message.id"]: id_of(span) for span in spans.named("process rtm message")}
    deliveries = {attributes(span)["messaging.message.id"]: parent_of(span) for span in spans.named("send rtm event")}
    assert list(frames) == stamps
    assert frames == deliveries


async def test_a_server_without_traces_is_built_of_the_plain_parts(open_scene: OpenScene) -> None:
    """So the hot paths have no check for them: they cost nothing."""
    scene = await open_scene(seed=APP_SEED)
    served = next(iter(scene.server.host))
    assert {type(tap) for tap in served.taps} == {Tap}
    assert type(served.workspace.writer) is Writer
    assert type(served.workspace.hub) is Hub
    assert type(scene.server._parts._entrance.web_api) is WebApi


async def test_a_server_without_traces_does_not_load_them() -> None:
    code = (
        "import asyncio, sys, tempfile, pathlib\n"
        "from tautwire.server.app import Server\n"
        "from tautwire.server.config import Settings\n"
        "async def main():\n"
        "    async with Server(Settings(data=pathlib.Path(tempfile.mkdtemp()), port=0)): pass\n"
        "asyncio.run(main())\n"
        "sys.exit([name for name in sys.modules if name.startswith('opentelemetry')][:1] or None)\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await process.wait() == 0


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith(("opentelemetry", "tautwire.server.traces"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigError, match=r'pip install "tautwire\[traces\]"'):
        open_tracing(True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")],
)
async def test_a_variable_that_cannot_be_used_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    server = Server(Settings(data=tmp_path, port=0, traces=True))
    with pytest.raises(ConfigError, match=variable):
        await server.start()


async def test_a_collector_gets_the_spans_and_the_name_of_the_service(
    monkeypatch: pytest.MonkeyPatch, open_scene: OpenScene, unused_tcp_port_factory: Callable[[], int]
) -> None:
    from aiohttp import web
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    port, names, services = unused_tcp_port_factory(), set(), set()

    async def take(request: web.Request) -> web.Response:
        for resource in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            services.update(
                pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"
            )
            names.update(span.name for scope in resource.scope_spans for span in scope.spans)
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    scene = await open_scene(traces=True)
    await scene.post("alice", scene.general, "hello")
    await scene.server.stop()  # sends what is left
    assert {POST, "commit", "send rtm event"} <= names
    assert services == {"tautwire"}
    await runner.cleanup()
