"""A gateway with a full disk, with tokens that are revoked, with a slow upstream, and with no room for more bots."""

import asyncio
import contextlib
import json
import logging
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from disks import fill, small_disk
from needs import skip_for
from stores import sqlite_of

from compared import logged
from crooked import limited, refused
from scene import PATIENCE, Socket, eventually, is_plain
from stage import BOT, OpenStage, Stage
from tautwire.gateway.upstream import api as api_module
from tautwire.gateway.upstream import link as link_module
from tautwire.server import watch
from tools.postgres import ADVICE, Cluster, find_programs, running_cluster, unprivileged

EVENTS = "SELECT convert_from(payload, 'UTF8') FROM log WHERE kind = 'event' ORDER BY position"


async def readiness(stage: Stage) -> tuple[int, dict[str, str]]:
    """Return the status of ``/readyz``, and the faults by name."""
    async with stage.upstream.http.get(stage.gateway.api_url.replace("/api/", "/readyz")) as answer:
        return answer.status, (await answer.json())["faults"]


async def until_ready(stage: Stage, *faults: str) -> dict[str, str]:
    """Wait until ``/readyz`` has just these faults; return them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            status, found = await readiness(stage)
            assert status == (503 if found else 200)
            if set(found) == set(faults):
                return found
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", [limited(0.01), web.Response(status=503), refused("internal_error")])
async def test_an_upstream_that_is_busy_does_not_stop_a_start(
    answer: web.Response, stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It says nothing of the bot token, so the bot is taken for that of the last start."""
    is_busy = True

    async def before(method: str, _: dict[str, str]) -> web.Response | None:
        return copy(answer) if is_busy and method == "auth.test" else None

    def copy(one: web.Response) -> web.Response:
        return web.Response(status=one.status, body=one.body, headers=one.headers)

    stage.line.before = before
    await stage.restart()
    assert "the upstream does not say who the bot is" in caplog.text
    is_busy = False
    socket = await stage.connect()
    await stage.post("alice", stage.general, "hello")
    assert (await stage.received(socket, "hello"))[-1]["text"] == "hello"


def count_acks(stage: Stage) -> list[str]:
    """Return the ids of the envelopes that are acknowledged from now on."""
    acked: list[str] = []

    def note(envelope: str) -> bool:
        acked.append(envelope)
        return False

    stage.line.drops_ack = note
    return acked


async def came_once(stage: Stage, socket: Socket, posted: list[str]) -> list[str]:
    """Have the upstream send again what is not acknowledged; return the ts of what came, which is all, each once."""
    await stage.line.cut()
    await stage.post("alice", stage.general, "there is room again")
    await stage.settled()
    frames = [frame["ts"] for frame in await stage.received(socket, "there is room again") if is_plain(frame)]
    assert set(frames[:-1]) == set(posted)
    assert len(frames) == len(posted) + 1, "each comes once"
    return frames


@pytest.mark.only_on("sqlite")
async def test_on_a_full_disk_no_event_is_acknowledged_that_is_not_stored(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "RETRY_INTERVAL", 0.02)
    await stage.restart()  # its watch looks that often
    socket, acked = await stage.connect(), count_acks(stage)
    connection = sqlite_of(stage.gateway.relay.workspace.writer)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    posted = [await stage.post("alice", stage.general, f"{number} {'x' * 6_000}") for number in range(30)]
    await eventually(lambda: stage.gateway.relay.intake.waiting == 0 and stage.gateway.relay.intake.figures.put_off > 0)
    await eventually(lambda: len(acked) == stage.gateway.relay.intake.figures.stored)
    assert "full" in (await until_ready(stage, "store"))["store"]
    stored = logged(stage.data, stage.general)
    assert 0 < len(stored) < len(posted)
    assert len(acked) == len(stored), "each acknowledgement is of an event that is in the log"

    connection.execute("PRAGMA max_page_count = 1000000")
    await until_ready(stage)
    await came_once(stage, socket, posted)
    assert "could not be stored" in caplog.text
    caplog.clear()


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[tuple[Cluster, Path]]:
    """A PostgreSQL whose tables are on a disk of 24 MiB, and that disk. Its write-ahead log is elsewhere."""
    skip_for(ADVICE if find_programs() is None else None)
    with running_cluster(durable=False) as cluster, small_disk(cluster.folder / "small", 24) as place:
        tables = place / "tables"
        tables.mkdir(mode=0o700)
        owner = unprivileged()
        os.chown(tables, owner["user"], owner["group"])
        cluster.psql("public", f"CREATE TABLESPACE small LOCATION '{tables}'")
        cluster.psql("public", "ALTER DATABASE postgres SET default_tablespace = small")
        yield cluster, place


async def test_on_a_full_disk_of_postgres_no_event_is_acknowledged_that_is_not_stored(
    open_stage: OpenStage, crowded: tuple[Cluster, Path], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(watch, "RETRY_INTERVAL", 0.02)
    cluster, place = crowded
    stage = await open_stage(server={"database": cluster.url("crowded")})
    socket, acked = await stage.connect(), count_acks(stage)
    figures, before = stage.gateway.relay.intake.figures, stage.gateway.relay.intake.figures.stored
    ballast = fill(place)
    dice = random.Random(1)
    posted = [
        await stage.post("alice", stage.general, f"{number} {dice.randbytes(3_000).hex()}") for number in range(30)
    ]
    await eventually(lambda: stage.gateway.relay.intake.waiting == 0 and figures.put_off > 0)
    await eventually(lambda: len(acked) == figures.stored - before)
    assert "No space left on device" in (await until_ready(stage, "store"))["store"]
    assert figures.stored - before < len(posted)

    ballast.unlink()
    await until_ready(stage)
    frames = await came_once(stage, socket, posted)
    stored = [
        frame["ts"]
        for frame in map(json.loads, cluster.psql("crowded", EVENTS).splitlines())
        if is_plain(frame) and frame["channel"] == stage.general
    ]
    assert sorted(stored) == sorted(frames), "and is stored once"
    caplog.clear()


async def test_a_bot_token_that_is_revoked_is_said_and_programs_get_errors(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    socket = await stage.connect()
    assert await readiness(stage) == (200, {})
    await stage.upstream.ok(BOT, "auth.revoke")
    fault = (await until_ready(stage, "token"))["token"]  # no program has called anything: the event says it
    assert "SLACK_BOT_TOKEN" in fault
    assert fault in caplog.text
    assert (await stage.request("chat.postMessage", channel=stage.general, text="x"))["error"] == "token_revoked"
    reply = await socket.say(stage.general, "x")
    assert not reply["ok"]
    assert reply["error"]["msg"] == "cannot process message"
    caplog.clear()


async def test_a_bot_token_that_is_taken_again_ends_the_fault(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused("account_inactive") if method == "chat.postMessage" else None

    stage.line.before = refuse
    socket = await stage.connect()
    assert not (await socket.say(stage.general, "x"))["ok"]
    await until_ready(stage, "token")
    stage.line.before = None
    assert (await socket.say(stage.general, "x"))["ok"]
    assert await readiness(stage) == (200, {})
    caplog.clear()


async def test_an_app_token_that_is_revoked_is_a_fault_and_sends_go_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link_module, "REFUSED_PAUSE", 0.05)
    socket = await stage.connect()

    async def refuse(method: str, _: dict[str, str]) -> web.Response | None:
        return refused("token_revoked") if method == "apps.connections.open" else None

    stage.line.before = refuse
    await stage.line.cut()
    assert "token_revoked" in (await until_ready(stage, "upstream"))["upstream"]
    assert (await socket.say(stage.general, "still heard"))["ok"]
    stage.line.before = None
    await until_ready(stage)
    await stage.post("alice", stage.general, "heard again")
    assert await stage.received(socket, "heard again")
    caplog.clear()


async def test_a_slow_answer_holds_back_its_channel_alone(stage: Stage) -> None:
    """An answer may take up to half a minute; it is an ack then as any other."""
    slow, come = asyncio.Event(), asyncio.Event()

    async def wait(method: str, arguments: dict[str, str]) -> web.Response | None:
        if method == "chat.postMessage" and arguments.get("channel") == stage.general:
            come.set()
            await slow.wait()
        return None

    stage.line.before = wait
    socket = await stage.connect()
    await socket.send(type="message", id=1, channel=stage.general, text="slowly")
    await come.wait()
    assert (await socket.say(stage.ops, "at once"))["ok"]
    assert (await stage.ok("conversations.info", channel=stage.ops))["channel"]["id"] == stage.ops
    await stage.post("alice", stage.ops, "heard meanwhile")
    assert await stage.received(socket, "heard meanwhile")
    slow.set()
    assert (await socket.reply_to(1))["ok"]


def drip(ends: asyncio.Event, first: int = 1) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return what answers with ``first`` bytes, then with one now and then, and with no end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(b" " * first)
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)
        ends.set()
        return response

    return answer


async def test_answers_that_drip_end_and_leave_their_places(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "TIMEOUT", 1.0)
    monkeypatch.setattr("tautwire.gateway.proxy.calls.TIMEOUT", 1.0)
    monkeypatch.setattr("tautwire.gateway.proxy.calls.MAX_CALLS", 2)
    stage = await open_stage()
    socket, ended = await stage.connect(), asyncio.Event()
    stage.line.streams = {"chat.postMessage": drip(ended), "users.info": drip(ended)}
    replies = await asyncio.gather(
        socket.say(stage.general, "into the rain"),
        *(stage.request("users.info", user=f"U{number}") for number in range(4)),
    )
    assert not replies[0]["ok"]
    assert {reply["error"] for reply in replies[1:]} == {"service_unavailable"}
    await ended.wait()
    stage.line.streams = {}
    assert (await socket.say(stage.general, "it is dry"))["ok"]
    assert (await stage.ok("users.info", user=stage.bot))["user"]["id"] == stage.bot


@pytest.mark.parametrize("method", ["stars.list", "groups.list"])
async def test_a_long_answer_that_drips_ends_and_leaves_its_place(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """One that is passed on as it comes, and one that is read to be changed."""
    monkeypatch.setattr("tautwire.gateway.proxy.calls.HEAD", 100)
    monkeypatch.setattr("tautwire.gateway.proxy.calls.MAX_CALLS", 2)
    monkeypatch.setattr("tautwire.gateway.upstream.pace.PATIENCE", 0.5)
    stage, ended = await open_stage(), asyncio.Event()
    stage.line.streams = dict.fromkeys((method, "conversations.list"), drip(ended, 200))
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}

    async def read() -> bytes:
        async with stage.upstream.http.post(stage.gateway.api_url + method, headers=headers) as response:
            try:
                return await response.read()
            except aiohttp.ClientPayloadError:
                return b"its end is missing"

    answers = await asyncio.gather(*(read() for _ in range(5)))  # more than there are places
    assert all(b"service_unavailable" in answer or answer == b"its end is missing" for answer in answers)
    await ended.wait()
    assert stage.gateway.relay.proxy.calls._places._value == 2
    assert (await stage.ok("users.info", user=stage.bot))["user"]["id"] == stage.bot
    caplog.clear()  # uvicorn calls an answer that broke off an error


async def test_a_file_that_drips_ends_and_leaves_its_place(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tautwire.gateway.proxy.downloads.MAX_DOWNLOADS", 1)
    monkeypatch.setattr("tautwire.gateway.upstream.pace.PATIENCE", 0.5)
    stage, ended = await open_stage(), asyncio.Event()
    stage.line.streams = {"/files-pri/T1-F1/a.txt": drip(ended)}
    url = stage.gateway.api_url.replace("/api/", "/files-pri/")
    url += stage.line.api_url.partition("//")[2].replace("/api/", "/files-pri/T1-F1/a.txt")
    headers = {"Authorization": f"Bearer {stage.gateway.local_token.reveal()}"}
    for _ in range(2):
        async with stage.upstream.http.get(url, headers=headers) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
    await ended.wait()
    caplog.clear()  # uvicorn calls an answer that broke off an error


async def test_a_bot_too_many_is_refused_and_the_others_stay(
    open_stage: OpenStage, caplog: pytest.LogCaptureFixture
) -> None:
    stage = await open_stage(server={"max_connections": 12, "max_connections_per_address": 12})
    sockets, refusals = [], 0
    for _ in range(16):
        try:
            sockets.append(await stage.connect())
        except (AssertionError, aiohttp.ClientError, OSError):  # refused at the call, or at the WebSocket
            refusals += 1
    assert len(sockets) >= 8
    assert refusals > 0
    await stage.post("alice", stage.general, "to all that are there")
    for socket in sockets:
        assert await stage.received(socket, "to all that are there")
    assert "connections refused" in caplog.text
    while sockets:
        await sockets.pop().close()
    await eventually(lambda: len(stage.gateway.relay.workspace.hub) == 0)
    assert (await (await stage.connect()).say(stage.general, "there is room again"))["ok"]


async def test_an_app_that_gets_too_much_is_told_over_socket_mode(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The frame has no envelope as documented; one in an envelope means the same."""
    frame: dict[str, Any] = {
        "token": "t", "type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1_790_000_100,
        "api_app_id": "A1",
    }  # fmt: skip
    acked: list[str] = []
    stage.line.drops_ack = lambda envelope: bool(acked.append(envelope))
    await stage.line.tell(frame)
    await stage.line.tell({"type": "events_api", "envelope_id": "E1", "payload": frame})
    await stage.line.tell({"type": "app_rate_limited", "envelope_id": "E2", "payload": frame})
    figures = stage.gateway.relay.intake.figures
    await eventually(lambda: figures.left_out == 3 and len(acked) == 2)
    assert (figures.stored, figures.without_frame, figures.unread) == (0, 0, 0)
    warned = [record for record in caplog.records if "leaves events out" in record.getMessage()]
    assert warned
    assert {record.levelno for record in warned} == {logging.WARNING}
    assert json.dumps(frame["token"]) not in caplog.text
    async with stage.upstream.http.get(stage.gateway.api_url.replace("/api/", "/metrics")) as answer:
        assert 'tautwire_upstream_limited_minutes_total{bot="bot"} 3.0' in await answer.text()
