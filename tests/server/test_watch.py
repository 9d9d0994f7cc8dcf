"""``/readyz`` tells of each fault soon, and of its end by itself; ``/healthz`` stays as it is."""

import asyncio
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from stores import sqlite_of

from scene import PATIENCE, OpenScene, Scene
from tautwire.server import watch
from tautwire.server.log.transaction import Transaction
from tautwire.server.store.engine import StoreError
from tautwire.server.store.sqlite import SqliteReadSession

pytestmark = pytest.mark.only_on("sqlite")

INTERVAL, RETRY_INTERVAL = watch.INTERVAL, watch.RETRY_INTERVAL


async def probe(scene: Scene, path: str = "readyz", **options: Any) -> tuple[int, dict[str, Any]]:
    async with scene.http.get(scene.server.api_url.replace("/api/", f"/{path}"), **options) as answer:
        return answer.status, await answer.json()


async def wait_for_faults(scene: Scene, *names: str) -> dict[str, str]:
    """Wait until just these faults are reported; return them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            status, body = await probe(scene)
            assert (status, body["ok"]) == ((503, False) if body["faults"] else (200, True))
            if set(body["faults"]) == set(names):
                return dict(body["faults"])
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0.02)
    monkeypatch.setattr(watch, "RETRY_INTERVAL", 0.02)
    # What is due is read at the first sweep, and that read would find the damage of a test at a random moment.
    monkeypatch.setattr("tautwire.server.services.due.Due.sweep", lambda _: None)


@pytest.fixture
def database(scene: Scene) -> Iterator[sqlite3.Connection]:
    """A connection of another process, so to speak."""
    connection = sqlite3.connect(scene.server.settings.data / "tautwire.db", isolation_level=None)
    yield connection
    connection.close()


async def test_a_server_without_faults_is_ready_and_alive(scene: Scene) -> None:
    assert await probe(scene) == (200, {"ok": True, "faults": {}})
    assert await probe(scene, "healthz") == (200, {"ok": True})


async def test_probes_are_answered_in_every_shape_of_request(scene: Scene) -> None:
    url = scene.server.api_url.replace("/api/", "/readyz")
    async with scene.http.head(url) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    async with scene.http.post(url) as answer:
        assert answer.status == 405
    assert await probe(scene, "readyz?x=1", headers={"X-Other": "1"}) == (200, {"ok": True, "faults": {}})


async def test_a_full_database_is_reported_and_health_returns_without_traffic(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    connection = sqlite_of(scene.server.workspace.writer)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    while (await scene.call("alice", "chat.postMessage", channel=scene.general, text="x" * 30_000))["ok"]:
        pass

    faults = await wait_for_faults(scene, "store")
    assert "full" in faults["store"]
    failures = scene.server._running.counts.commit_failures
    async with asyncio.timeout(PATIENCE):
        while scene.server._running.counts.commit_failures < failures + 3:  # noqa: ASYNC110 - nothing reports it
            await asyncio.sleep(0.01)
    assert (await probe(scene))[0] == 503, "an attempt that stores nothing is no proof"
    assert await probe(scene, "healthz") == (200, {"ok": True})

    connection.execute("PRAGMA max_page_count = 1000000")
    await wait_for_faults(scene)
    assert (await scene.call("alice", "chat.postMessage", channel=scene.general, text="x"))["ok"]
    caplog.clear()


async def test_an_attempt_leaves_nothing_behind_and_moves_no_position(scene: Scene) -> None:
    workspace = scene.server.workspace
    before = workspace.tail.position
    await workspace.writer.write(watch._occupy)
    row = await workspace.reader.read(lambda query: query.one("SELECT count(*) FROM channel_clock WHERE channel = ''"))
    assert row is not None
    assert row[0] == 0
    assert workspace.tail.position == before


async def test_a_disk_that_does_not_answer_is_reported_while_it_lasts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "MAX_BUSY", 0.1)
    answers = threading.Event()

    def hang(_: Transaction) -> None:
        answers.wait(PATIENCE)

    change = asyncio.create_task(scene.server.workspace.writer.write(hang))
    try:
        faults = await wait_for_faults(scene, "writer")
        assert "not answered" in faults["writer"]
    finally:
        answers.set()
    await change
    await wait_for_faults(scene)
    caplog.clear()


def test_the_intervals_keep_the_promise_of_two_seconds() -> None:
    assert INTERVAL + watch.MAX_BUSY <= 2
    assert RETRY_INTERVAL < 2


async def test_a_writer_whose_thread_ended_is_reported(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = scene.server.workspace.writer
    monkeypatch.setattr(writer, "_commit", None)  # calling it is an error that the thread does not expect
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    change = asyncio.create_task(writer.write(lambda _: None))

    faults = await wait_for_faults(scene, "writer")

    assert "restart" in faults["writer"]
    change.cancel()
    caplog.clear()


class Usage(NamedTuple):
    total: int
    used: int
    free: int


async def test_a_disk_that_is_nearly_full_is_reported_while_it_lasts(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1, watch.MIN_FREE - 1))
        assert "MiB are free" in (await wait_for_faults(scene, "disk"))["disk"]
        patch.setattr(shutil, "disk_usage", lambda _: Usage(1 << 40, 1, watch.MIN_FREE))
        await wait_for_faults(scene)
    caplog.clear()


async def test_a_very_small_disk_is_not_short_of_room_by_its_size(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Usage(1_000, 960, 40))
        await wait_for_faults(scene, "disk")
        patch.setattr(shutil, "disk_usage", lambda _: Usage(1_000, 940, 60))
        await wait_for_faults(scene)
    caplog.clear()


async def test_a_log_that_lost_entries_is_noticed_without_traffic(
    scene: Scene, database: sqlite3.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    broken = asyncio.create_task(scene.server.broken())

    database.execute("UPDATE workspace SET head = head + 3")

    failure = await asyncio.wait_for(broken, PATIENCE)
    assert isinstance(failure, StoreError)
    assert "was deleted" in str(failure)
    assert "was deleted" in (await wait_for_faults(scene, "store"))["store"]
    caplog.clear()


async def test_commits_under_way_are_not_taken_for_those_of_another_writer(scene: Scene) -> None:
    alice = await scene.connect("alice")
    for number in range(300):
        await alice.say(scene.general, str(number))
    assert scene.server.health.is_ready
    assert scene.server._running.counts.commit_failures == 0


async def test_a_look_that_raises_is_logged_once_and_costs_only_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks = 0

    def broken(_: object) -> Usage:
        nonlocal looks
        looks += 1
        raise OSError("no such device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", broken)
        patch.setattr(watch, "MAX_BUSY", -1.0)
        await wait_for_faults(scene, "writer")
        async with asyncio.timeout(PATIENCE):
            while looks < 3:  # noqa: ASYNC110 - nothing reports it
                await asyncio.sleep(0.01)
    assert caplog.text.count("a check of the server failed") == 1
    await wait_for_faults(scene)
    caplog.clear()


async def test_other_machines_get_the_names_of_faults_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scene.server.health, "clear", lambda _: None)
    scene.server.health.fault("store", "the path of something")
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        assert await probe(scene, headers={header: "127.0.0.1"}) == (503, {"ok": False, "faults": {"store": None}})
    assert (await probe(scene))[1]["faults"] == {"store": "the path of something"}
    caplog.clear()


async def test_metrics_are_for_the_same_machine(open_scene: OpenScene) -> None:
    scene = await open_scene()
    url = scene.server.api_url.replace("/api/", "/metrics")
    async with scene.http.get(url) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    async with scene.http.get(url, headers={"X-Forwarded-For": "192.0.2.1"}) as answer:
        assert (answer.status, await answer.text()) == (
            403,
            "the metrics are served to the same machine only; see --metrics\n",
        )


@pytest.mark.parametrize(("access", "status"), [("public", 200), ("off", 404)])
async def test_metrics_are_for_everybody_or_nobody_if_wanted(open_scene: OpenScene, access: str, status: int) -> None:
    scene = await open_scene(metrics=access)
    url = scene.server.api_url.replace("/api/", "/metrics")
    async with scene.http.get(url, headers={"X-Forwarded-For": "192.0.2.1"}) as answer:
        assert answer.status == status


async def test_a_database_file_that_was_removed_takes_no_changes_until_it_is_back(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    path = scene.server.settings.data / "tautwire.db"
    aside = path.with_suffix(".aside")
    path.rename(aside)

    faults = await wait_for_faults(scene, "store")
    assert "was removed or replaced" in faults["store"]
    assert (await scene.call("alice", "chat.postMessage", channel=scene.general, text="lost"))["ok"] is False

    path.write_bytes(b"another file")
    assert (await scene.call("alice", "chat.postMessage", channel=scene.general, text="lost"))["ok"] is False
    aside.rename(path)
    await wait_for_faults(scene)
    assert (await scene.call("alice", "chat.postMessage", channel=scene.general, text="kept"))["ok"]
    assert [message["text"] for message in await scene.history("bob", scene.general)] == ["kept"]
    caplog.clear()


async def test_a_database_file_that_was_cut_short_takes_no_changes(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.post("alice", scene.general, "kept")
    path = scene.server.settings.data / "tautwire.db"
    sqlite_of(scene.server.workspace.writer).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    await scene.post("alice", scene.general, "seen at its full size")
    whole = path.read_bytes()
    os.truncate(path, len(whole) // 2)

    assert (await scene.call("alice", "chat.postMessage", channel=scene.general, text="lost"))["ok"] is False
    faults = await wait_for_faults(scene, "store")
    assert "cut short" in faults["store"]
    path.write_bytes(whole)
    await wait_for_faults(scene)
    assert (await scene.call("alice", "chat.postMessage", channel=scene.general, text="kept too"))["ok"]
    caplog.clear()


async def test_metrics_are_served_without_the_data_directory(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    data = scene.server.settings.data
    aside = data.with_name("aside")
    data.rename(aside)
    async with scene.http.get(scene.server.api_url.replace("/api/", "/metrics")) as answer:
        assert (answer.status, "tautwire_disk_free_bytes " in await answer.text()) == (200, False)
    aside.rename(data)
    await wait_for_faults(scene)
    caplog.clear()


def overwrite(scene: Scene, keep: int) -> None:
    """Damage the database behind its first bytes; nothing of it is in the write-ahead log or in memory."""
    path = scene.server.settings.data / "tautwire.db"
    writer = sqlite_of(scene.server.workspace.writer)
    writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(keep)
        file.write(b"\xaa" * (path.stat().st_size - keep))
    for session in scene.server.workspace.reader._sessions:
        assert isinstance(session, SqliteReadSession)
        session.connection.execute("PRAGMA shrink_memory")


@pytest.mark.parametrize("keep", [0, 4_096])
async def test_a_damaged_database_is_reported_and_reads_are_refused_without_a_traceback_each(
    scene: Scene, caplog: pytest.LogCaptureFixture, keep: int
) -> None:
    await scene.post("alice", scene.general, "hi")
    overwrite(scene, keep)

    for _ in range(20):
        answer = await scene.call("bob", "conversations.history", channel=scene.general)
        assert (answer["ok"], answer["error"]) == (False, "service_unavailable")
    faults = await wait_for_faults(scene, "database")
    assert "cannot be read" in faults["database"]
    assert caplog.text.count("Traceback") <= 3
    caplog.clear()
