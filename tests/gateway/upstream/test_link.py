"""The link to the upstream on good and bad days, and what it means for readiness."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator

import pytest
from aiohttp import web

from crooked import refused
from scene import PATIENCE, eventually, is_plain
from stage import OpenStage, Stage
from tautwire.gateway.upstream.hosts import is_of_host


async def posts(stage: Stage, *texts: str) -> None:
    for text in texts:
        await stage.post("alice", stage.general, text)


async def plain(stage: Stage, socket: object, last: str) -> list[str]:
    return [frame["text"] for frame in await stage.received(socket, last) if is_plain(frame)]  # type: ignore[arg-type]


async def test_a_refresh_opens_the_next_connection_before_the_old_one_is_closed(stage: Stage) -> None:
    socket = await stage.connect()
    await stage.line.tell({"type": "disconnect", "reason": "refresh_requested"})
    await eventually(lambda: stage.line.opened == 2)
    await posts(stage, "one", "two")
    assert await plain(stage, socket, "two") == ["one", "two"]
    assert stage.gateway.relay.link.endings == {"refresh_requested": 1}
    assert stage.gateway.health.is_ready


async def test_a_connection_that_is_lost_is_replaced_and_nothing_is_missing(stage: Stage) -> None:
    socket = await stage.connect()
    for number in range(4):
        await posts(stage, f"before {number}")
        await stage.line.cut()
        await posts(stage, f"after {number}")
    expected = [f"{when} {number}" for number in range(4) for when in ("before", "after")]
    assert await plain(stage, socket, "after 3") == expected


async def test_events_that_are_sent_twice_and_acks_that_are_lost_change_nothing(stage: Stage) -> None:
    socket = await stage.connect()
    lost: set[str] = set()

    def lose_once(envelope: str) -> bool:
        is_new = envelope not in lost
        lost.add(envelope)
        return is_new

    stage.line.drops_ack = lose_once
    stage.line.repeats = lambda envelope: True
    await posts(stage, *(f"message {number}" for number in range(10)))
    await stage.line.cut()
    await posts(stage, "last")
    assert await plain(stage, socket, "last") == [f"message {number}" for number in range(10)] + ["last"]
    figures = stage.gateway.relay.intake.figures
    assert (figures.stored, figures.put_off) == (11, 0)
    assert figures.repeated >= 10


async def test_an_app_that_is_switched_off_is_not_ready(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.gateway.upstream.link.REFUSED_PAUSE", 0.01)
    is_off = True

    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused("invalid_auth") if is_off and method == "apps.connections.open" else None

    stage.line.before = refuse
    await stage.line.tell({"type": "disconnect", "reason": "link_disabled"})
    await stage.line.cut()
    await eventually(lambda: not stage.gateway.health.is_ready)
    await eventually(lambda: "Socket Mode is switched on" in stage.gateway.health.faults.get("upstream", ""))
    async with stage.upstream.http.get(stage.gateway.api_url.replace("/api/", "/readyz")) as response:
        assert response.status == 503
        assert "upstream" in json.loads(await response.read())["faults"]
    is_off = False
    await eventually(lambda: stage.gateway.health.is_ready)
    caplog.clear()


async def test_too_many_connections_are_a_reason_to_wait(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def backoff(failures: int) -> float:
        waits.append(failures)
        return 0.0

    monkeypatch.setattr("tautwire.gateway.upstream.link._backoff", backoff)
    await stage.line.tell({"type": "disconnect", "reason": "too_many_websockets"})
    await eventually(lambda: stage.line.opened == 2)
    assert waits == [4]


async def test_a_link_that_is_disabled_again_and_again_is_asked_for_with_pauses(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []

    def backoff(failures: int) -> float:
        waits.append(failures)
        return 0.0

    monkeypatch.setattr("tautwire.gateway.upstream.link._backoff", backoff)
    for reason in ("link_disabled", "link_disabled", "refresh_requested", "refresh_requested"):
        opened = stage.line.opened
        await stage.line.tell({"type": "disconnect", "reason": reason})
        await eventually(lambda opened=opened: stage.line.opened > opened and stage.gateway.health.is_ready)
    assert waits == [4, 4, 3, 4]
    assert "switch it on in the app's settings" in caplog.text
    assert stage.gateway.relay.link.endings == {"link_disabled": 2, "refresh_requested": 2}
    caplog.clear()


async def test_a_next_connection_that_cannot_be_opened_is_a_fault_when_the_old_one_ends(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tautwire.gateway.upstream.link.REFUSED_PAUSE", 600.0)

    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused("invalid_auth") if method == "apps.connections.open" else None

    stage.line.before = refuse
    link = stage.gateway.relay.link
    await stage.line.tell({"type": "disconnect", "reason": "refresh_requested"})
    await eventually(lambda: link.failures["refused"] == 1)
    assert stage.gateway.health.is_ready, "the old connection still is there"
    await stage.line.cut()
    await eventually(lambda: not stage.gateway.health.is_ready)
    caplog.clear()


async def test_requests_of_people_are_acknowledged_with_nothing(stage: Stage) -> None:
    seen: list[str] = []
    stage.line.drops_ack = lambda envelope: seen.append(envelope) or True
    await stage.line.tell({"type": "slash_commands", "envelope_id": "E-slash", "payload": {"command": "/x"}})
    await stage.line.tell({"type": "interactive", "envelope_id": "E-button", "payload": {}})
    await eventually(lambda: seen == ["E-slash", "E-button"])


async def test_frames_that_cannot_be_read_end_nothing(stage: Stage) -> None:
    socket = await stage.connect()
    for text in ("{", "[]", '"x"', '{"type":7}', "[" * 50_000):
        await stage.line.sockets[-1][0].send_str(text)
    await posts(stage, "still here")
    assert await plain(stage, socket, "still here") == ["still here"]
    assert stage.line.opened == 1


async def test_the_upstream_restarts(open_stage: OpenStage, caplog: pytest.LogCaptureFixture) -> None:
    stage = await open_stage()
    socket = await stage.connect()
    await posts(stage, "before")
    await stage.upstream.server.stop()
    saying = asyncio.create_task(socket.say(stage.general, "while it is down"))
    await stage.upstream.server.start()
    stage.line.point(stage.upstream.server.api_url)
    await posts(stage, "after")
    reply = await saying
    assert await plain(stage, socket, "after") == ["before", "after"]
    stored = [each["text"] for each in await stage.upstream.history("alice", stage.general)]
    assert reply["ok"] is ("while it is down" in stored)
    for record in caplog.get_records("call"):
        assert record.levelno < logging.ERROR or record.name == "tautwire.server.health", record
    caplog.clear()


async def test_a_start_without_the_upstream_serves_what_is_stored(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = await stage.connect(resume="")
    start = (await socket.until("position"))["position"]
    await posts(stage, "stored")
    await socket.until("message")
    await stage.gateway.stop()
    monkeypatch.setattr("tautwire.gateway.upstream.api.TRIES", 1)

    async def gone(method: str, _: dict[str, str]) -> web.Response | None:
        return web.Response(status=503)

    stage.line.before = gone
    await stage.gateway.start()
    assert not stage.gateway.health.is_ready
    back = await stage.dial(await stage.ok("rtm.connect", resume=start))
    assert await plain(stage, back, "stored") == ["stored"]
    stage.line.before = None
    await posts(stage, "and live")
    assert await plain(stage, back, "and live") == ["and live"]
    caplog.clear()


@pytest.mark.parametrize(
    ("url", "is_fine"),
    [
        ("wss://wss-primary.slack.com/link/?ticket=x", True),
        ("wss://slack.com/link", True),
        ("ws://slack.com/link", True),
        ("wss://slack.com.evil.test/link", False),
        ("wss://notslack.com/link", False),
        ("https://slack.com/link", False),
        ("wss://[", False),
        ("", False),
    ],
)
def test_a_link_leads_to_the_host_of_the_api_or_below(url: str, is_fine: bool) -> None:
    assert is_of_host(url, "slack.com") is is_fine


async def test_tokens_of_the_app_go_to_the_upstream_and_nowhere_else(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await stage.restart()
    socket = await stage.connect()
    await socket.say(stage.general, "x")
    await stage.request("chat.postMessage", channel="nowhere", text="x")
    secrets = stage.upstream.directory.apps["desk"]
    assert stage.line.tokens == {f"Bearer {secrets['bot_token']}", f"Bearer {secrets['app_token']}"}
    local = stage.gateway.local_token.reveal()
    for secret in (secrets["bot_token"], secrets["app_token"], local):
        assert secret not in caplog.text
        assert secret not in repr(stage.gateway.settings)
        assert secret not in repr(stage.gateway.relay.__dict__)


async def test_a_link_to_another_host_is_not_opened(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.gateway.upstream.link.LONGEST_PAUSE", 0.01)
    answers = 2

    async def elsewhere(method: str, _: dict[str, str]) -> web.Response | None:
        nonlocal answers
        if method != "apps.connections.open" or not answers:
            return None
        answers -= 1
        return web.json_response({"ok": True, "url": "wss://elsewhere.test/link?ticket=secret-of-the-link"})

    stage.line.before = elsewhere
    await stage.line.cut()
    await eventually(lambda: "leads to another host" in stage.gateway.health.faults.get("upstream", ""))
    await eventually(lambda: stage.gateway.health.is_ready)
    assert "secret-of-the-link" not in caplog.text
    caplog.clear()


async def test_a_connection_without_hello_is_given_up(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.gateway.upstream.link.HELLO_TIMEOUT", 0.05)
    monkeypatch.setattr("tautwire.gateway.upstream.link.LONGEST_PAUSE", 0.01)
    stage.line.hides = lambda text: '"hello"' in text
    await stage.line.cut()
    await eventually(lambda: not stage.gateway.health.is_ready)
    stage.line.hides = lambda text: False
    monkeypatch.setattr("tautwire.gateway.upstream.link.HELLO_TIMEOUT", 5)
    await eventually(lambda: stage.gateway.health.is_ready)
    caplog.clear()


@pytest.mark.parametrize("turns", range(8))
async def test_an_end_in_the_moment_of_a_hello_is_an_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """asyncio.wait_for of Python 3.11 drops a cancellation that comes with the result."""
    link, loop = stage.gateway.relay.link, asyncio.get_running_loop()
    task = link._task
    assert task is not None
    greet = link.greet

    def end(left: int) -> None:
        if left:
            loop.call_soon(end, left - 1)
        else:
            task.cancel()

    def greet_and_end(*, keeps_events: bool) -> None:
        greet(keeps_events=keeps_events)
        end(turns)

    monkeypatch.setattr(link, "greet", greet_and_end)
    await stage.line.cut()
    await asyncio.wait({task}, timeout=PATIENCE)
    assert task.cancelled()


async def test_the_end_of_a_link_does_not_wait_for_an_upstream_that_sends_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiohttp waits anew for the answer to its Close frame after each frame that comes."""
    monkeypatch.setattr("tautwire.gateway.upstream.link.CLOSE_PATIENCE", 0.3)

    async def send_on(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoclose=False, autoping=False)
        await socket.prepare(request)
        await socket.send_json({"type": "hello"})
        with contextlib.suppress(ConnectionError):
            while True:
                await socket.send_json({"type": "nothing"})
                await asyncio.sleep(0.02)
        return socket

    application = web.Application()
    application.router.add_get("/", send_on)
    async with contextlib.AsyncExitStack() as stack:
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"

        async def elsewhere(method: str, _: dict[str, str]) -> web.Response | None:
            return web.json_response({"ok": True, "url": url}) if method == "apps.connections.open" else None

        stage.line.before = elsewhere
        await stage.line.cut()
        await eventually(lambda: stage.gateway.relay.link.connects == 2)
        async with asyncio.timeout(PATIENCE):
            await stage.gateway.relay.link.stop()


async def test_the_end_of_a_link_waits_for_an_older_connection_to_close(stage: Stage) -> None:
    link, closed, waits = stage.gateway.relay.link, asyncio.Event(), asyncio.Event()

    class Leaving(list[asyncio.Task[None]]):
        def __iter__(self) -> Iterator[asyncio.Task[None]]:
            waits.set()
            return super().__iter__()

    async def close() -> None:
        await closed.wait()

    older = asyncio.create_task(close())
    link._leaving = Leaving([older])
    await stage.line.cut()
    await waits.wait()
    asyncio.get_running_loop().call_later(0.05, closed.set)
    async with asyncio.timeout(PATIENCE):
        await link.stop()
    assert older.done()
    assert not older.cancelled()


async def test_a_defect_of_the_link_is_logged_and_the_next_try_follows(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, opened = stage.gateway.relay.link, stage.gateway.relay.link._open
    tries = 0

    async def fail() -> object:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise ZeroDivisionError
        return await opened()

    monkeypatch.setattr(link, "_open", fail)
    await stage.line.cut()
    await eventually(lambda: tries == 2)
    await eventually(lambda: link.is_up)
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


async def test_an_event_that_is_not_taken_comes_again(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket, intake = await stage.connect(), stage.gateway.relay.intake
    enter, fails = intake._enter, [True]

    def fail_once(arrival: object) -> None:
        if fails:
            fails.clear()
            raise ZeroDivisionError
        enter(arrival)  # type: ignore[arg-type]

    monkeypatch.setattr(intake, "_enter", fail_once)
    await posts(stage, "important")
    await eventually(lambda: "ZeroDivisionError" in caplog.text)
    await stage.line.cut()
    assert await plain(stage, socket, "important") == ["important"]
    caplog.clear()
