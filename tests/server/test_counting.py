"""A conversation over RTM and the Web API, and what ``/metrics`` and the log tell of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rawsocket import RawSocket, frame
from scene import OpenScene, Scene, eventually
from tautwire.server.sockets.frames import text_frame

BULKY = "x" * 10_000


async def scrape(scene: Scene) -> dict[str, float]:
    """Return the samples by name and labels: ``name`` or ``name{label=value}``."""
    async with scene.http.get(scene.server.api_url.replace("/api/", "/metrics")) as answer:
        text = await answer.text()
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


async def test_a_conversation_is_counted(scene: Scene) -> None:
    alice = await scene.connect("alice")
    async with RawSocket.dialled((await scene.grant("bob"))["url"]) as bob:
        before = await scrape(scene)
        for text in ("one", "two"):
            assert (await alice.say(scene.general, text))["ok"]
        assert not (await alice.say("C00000000", "three"))["ok"]
        assert not (await alice.say(scene.general, ""))["ok"]
        await alice.send(type="ping", id=1)
        await alice.reply_to(1)
        await scene.post("relaybot", scene.general, "four")
        await alice.until("message")
        heard = [await bob.read() for _ in range(3)]
        assert await scene.error("alice", "chat.postMessage", channel="C00000000", text="x") == "channel_not_found"
        async with scene.http.get(scene.server.api_url + "no.such.method") as answer:
            assert answer.status == 200
        after = await scrape(scene)

        def grew(name: str) -> float:
            return after[name] - before.get(name, 0.0)

        assert grew("tautwire_rtm_acks_total") == 2
        assert grew("tautwire_rtm_received_frames_total") == 5
        assert grew("tautwire_rtm_sent_frames_total") == 3 + 6, "three messages to bob; five replies and one to alice"
        assert grew("tautwire_rtm_sent_bytes_total") > sum(len(text_frame(payload)) for _, payload in heard)
        assert grew("tautwire_rtm_errors_total{code=0}") == 1
        assert sum(grew(name) for name in after if name.startswith("tautwire_rtm_errors_total")) == 2
        assert grew("tautwire_web_api_answers_total{error=,status=200}") == 1
        assert grew("tautwire_web_api_answers_total{error=channel_not_found,status=200}") == 1
        assert grew("tautwire_web_api_answers_total{error=unknown_method,status=200}") == 1
        assert before["tautwire_rtm_opened_total"] == 2
        assert after["tautwire_rtm_connections"] == 2
        assert grew("tautwire_log_head") == 3
        assert after["tautwire_log_head"] == scene.server.workspace.tail.position
        assert grew("tautwire_log_tail_bytes") > 300
        assert grew("tautwire_commit_changes_sum") >= 5, "a change that is refused is one too"
        assert after["tautwire_waiting_changes"] == after["tautwire_oldest_change_seconds"] == 0
        assert after["tautwire_ready"] == 1


async def test_calls_that_the_front_answers_are_counted_once(scene: Scene) -> None:
    before = await scrape(scene)
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    token = scene.tokens["alice"]
    writer.write(f"GET /api/rtm.connect HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()
    after = await scrape(scene)
    good = "tautwire_web_api_answers_total{error=,status=200}"
    assert after[good] == before.get(good, 0) + 1


async def test_answers_to_what_is_no_request_are_counted(scene: Scene) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port)
    writer.write(b"nonsense\r\n\r\n")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400")
    writer.close()
    assert (await scrape(scene))["tautwire_web_api_answers_total{error=invalid_http,status=400}"] == 1


async def test_a_connection_that_does_not_read_shows(open_scene: OpenScene) -> None:
    scene = await open_scene(backlog_limit=50_000_000)
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000):
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        while not connection.is_slow:
            await scene.post("relaybot", scene.general, BULKY)
        samples = await scrape(scene)
        assert samples["tautwire_rtm_slow_connections"] == 1
        assert samples["tautwire_rtm_queued_bytes"] > 200_000


async def test_frames_without_an_answer_are_counted_when_they_are_refused(scene: Scene) -> None:
    alice = await scene.connect("alice")
    errors = scene.server._running.counts.rtm_errors
    await alice.send(type="typing", channel="C00000000", id=3)
    assert (await alice.reply_to(3))["error"]["code"] == 0
    assert dict(errors) == {0: 1}
    await alice.send(type="typing", channel=scene.general, id=4)
    assert await alice.fence() == []
    assert dict(errors) == {0: 1}


# --- why connections end ---


async def is_slow(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000):
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        while not connection.is_slow:
            await scene.post("relaybot", scene.general, BULKY)
        scene.clock.offset += 11
        await eventually(lambda: connection.ended is not None)


async def has_a_backlog(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"], buffer=1_000):
        (connection,) = scene.server.workspace.hub.connections_of(scene.users["alice"])
        while connection.ended is None:
            await scene.post("relaybot", scene.general, BULKY)


async def is_silent(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as alice:
        scene.clock.offset += 151
        assert await alice.closed() is None


async def is_too_fast(scene: Scene) -> None:
    alice = await scene.connect("alice")
    for number in range(100):
        await alice.send(type="message", id=number, channel=scene.general, text="x")
    assert await alice.ended() == 1008


async def is_too_big(scene: Scene) -> None:
    alice = await scene.connect("alice")
    await alice.send(type="message", id=1, channel=scene.general, text="x" * 17_000)
    assert await alice.ended() == 1009


async def is_too_big_in_parts(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as alice:
        alice.write(frame(b"x" * 9_000, fin=False) + frame(b"x" * 9_000, 0))
        assert await alice.closed() == 1009


async def breaks_the_rules(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as alice:
        alice.write(frame(b"{}", masked=False))
        await alice.closed()


async def is_there_when_the_server_stops(scene: Scene) -> None:
    alice = await scene.connect("alice")
    stopping = asyncio.create_task(scene.server.stop())
    assert await alice.ended() == 1001
    await stopping


async def has_a_dead_url(scene: Scene) -> None:
    grant = await scene.grant("alice")
    await (await scene.dial(grant)).close()
    async with RawSocket.dialled(grant["url"], hello=False) as again:
        assert await again.closed() == 1000


async def says_that_it_closes(scene: Scene) -> None:
    alice = await scene.connect("alice")
    await alice.close()


async def is_cut(scene: Scene) -> None:
    async with RawSocket.dialled((await scene.grant("alice"))["url"]) as alice:
        alice.hang_up()


@pytest.mark.parametrize(
    ("reason", "happens", "settings"),
    [
        ("slow", is_slow, {"backlog_limit": 50_000_000, "silence_limit": 10_000, "ping_interval": 10_000}),
        ("backlog", has_a_backlog, {"backlog_limit": 100_000}),
        ("silent", is_silent, {}),
        ("too fast", is_too_fast, {"rate_limits": True}),
        ("too big", is_too_big, {}),
        ("too big", is_too_big_in_parts, {}),
        ("protocol", breaks_the_rules, {}),
        ("server stops", is_there_when_the_server_stops, {}),
        ("refused", has_a_dead_url, {}),
        ("peer", says_that_it_closes, {}),
        ("lost", is_cut, {}),
    ],
)
async def test_the_reason_of_an_ending_is_counted_and_logged_once(
    open_scene: OpenScene,
    caplog: pytest.LogCaptureFixture,
    reason: str,
    happens: Callable[[Scene], Awaitable[None]],
    settings: dict[str, object],
) -> None:
    scene = await open_scene(**settings)
    counts = scene.server._running.counts.rtm
    with caplog.at_level(logging.INFO):
        await happens(scene)
        await eventually(lambda: reason in counts.endings)
    others = {"peer": 1} if reason == "refused" else {}
    assert dict(counts.endings) == {reason: 1} | others
    lines = [record.getMessage() for record in caplog.records if " ended: " in record.getMessage()]
    who = "an unknown caller" if reason == "refused" else scene.users["alice"]
    assert [line for line in lines if line.endswith(f" of {who} ended: {reason}")]
    assert len(lines) == 1 + len(others)


async def test_a_connection_that_the_server_fails_is_counted_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    grant = await scene.grant("alice")
    tail = scene.server.workspace.tail
    await scene.post("bob", scene.general, "x")
    tail._entries.clear()  # so that it has to be read

    def broken(*_: object, **__: object) -> None:
        raise OSError("disk I/O error")

    monkeypatch.setattr("tautwire.server.log.catchup.read_moves", broken)  # other readers of the database go on
    async with RawSocket.dialled(grant["url"], hello=False) as alice:
        assert await alice.closed() is None
    await eventually(lambda: dict(scene.server._running.counts.rtm.endings) == {"failed": 1})
    caplog.clear()


async def test_start_and_stop_are_in_the_log(open_scene: OpenScene, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tautwire.server"):
        scene = await open_scene()
        url, data = scene.server.api_url, scene.server.settings.data.resolve()
        await scene.server.stop()
    lines = [record.getMessage() for record in caplog.records if record.name == "tautwire.server"]
    assert f"tautwire {version('tautwire')} serves {data} on {url}" in lines
    assert lines[-1].startswith("stopped after ")
    assert lines[-1].endswith(" s")
