"""When the disk takes no more: nobody is told that something is stored which is not, and it goes on afterwards."""

import asyncio
import json
import resource
import sqlite3
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from stores import sqlite_of

from scene import Scene, is_plain
from tautwire.server.log.transaction import Transaction
from tautwire.server.store.engine import StoreError

pytestmark = pytest.mark.only_on("sqlite")

FULL = 40
"""Pages that the database may still grow by."""


def fill_up(scene: Scene) -> sqlite3.Connection:
    """Let SQLite say soon that the disk is full; return the connection that it says it on."""
    connection = sqlite_of(scene.server.workspace.writer)
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + FULL}")
    return connection


async def test_on_a_full_disk_senders_get_errors_and_what_was_acked_is_kept(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = await scene.connect("alice"), await scene.connect("bob")
    connection = fill_up(scene)
    replies = [await alice.say(scene.general, f"{number} {'x' * 3_900}") for number in range(80)]
    errors = [
        await scene.error("alice", "chat.postMessage", channel=scene.general, text="x" * 39_000) for _ in range(2)
    ]

    assert [reply["ok"] for reply in replies] == sorted((reply["ok"] for reply in replies), reverse=True)
    acked = [reply["ts"] for reply in replies if reply["ok"]]
    assert 0 < len(acked) < 80
    assert {reply["error"]["code"] for reply in replies if not reply["ok"]} == {4}
    assert errors == ["service_unavailable"] * 2
    kept = [message["ts"] for message in reversed(await scene.history("bob", scene.general, limit=1_000))]
    assert kept == acked
    assert [frame["ts"] for frame in await bob.fence() if is_plain(frame)] == acked, "nobody heard of the others"

    connection.execute("PRAGMA max_page_count = 1000000")
    again = await alice.say(scene.general, "there is room again")
    assert again["ok"]
    assert again["ts"] > acked[-1]
    assert await bob.texts() == ["there is room again"]
    await scene.server.stop()
    await scene.server.start()
    assert [m["ts"] for m in reversed(await scene.history("bob", scene.general, limit=1_000))] == [*acked, again["ts"]]
    assert "could not be stored" in caplog.text
    caplog.clear()


@pytest.mark.parametrize("hides", [False, True])
async def test_a_change_that_fills_the_disk_up_is_told_so(
    scene: Scene, caplog: pytest.LogCaptureFixture, hides: bool
) -> None:
    """SQLite undoes the whole batch by itself then: there is no savepoint to go back to, and no batch to go on with."""

    def large(tx: Transaction) -> None:
        try:
            tx.execute("INSERT INTO channel_clock (channel, last_ts) VALUES ('x', ?)", "0" * 10_000_000)
        except StoreError:
            if hides:
                raise KeyError("mine") from None
            raise

    def small(tx: Transaction) -> None:
        tx.execute("INSERT INTO channel_clock (channel, last_ts) VALUES ('y', '')")

    connection, writer = fill_up(scene), scene.server.workspace.writer

    results = await asyncio.gather(*(writer.write(unit) for unit in (small, large, small)), return_exceptions=True)

    assert all(isinstance(result, StoreError) for result in results)
    assert all(("mine" if hides else "database or disk is full") in str(result) for result in results)
    kept = await scene.server.workspace.reader.read(
        lambda query: query.all("SELECT channel FROM channel_clock WHERE channel IN ('x', 'y')")
    )
    assert kept == [], "what fails is not stored"
    connection.execute("PRAGMA max_page_count = 1000000")
    await writer.write(large)
    caplog.clear()


async def test_membership_is_what_is_stored_though_changes_to_it_failed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the writer's thread remembers goes with the batch that failed."""
    carol, relaybot = await scene.connect("carol"), await scene.connect("relaybot")

    def broken(_: Transaction) -> None:
        raise StoreError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "commit", broken)
        assert await scene.error("carol", "conversations.join", channel=scene.general) == "service_unavailable"
        assert await scene.error("relaybot", "conversations.leave", channel=scene.ops) == "service_unavailable"
        assert (await relaybot.say(scene.ops, "x"))["error"]["code"] == 4
    caplog.clear()

    assert (await carol.say(scene.general, "x"))["error"]["code"] == 0
    assert (await relaybot.say(scene.ops, "still a member"))["ok"]
    await scene.post("alice", scene.ops, "still a member")
    await scene.post("alice", scene.general, "not for carol")
    assert await carol.fence() == []
    assert await relaybot.texts() == ["still a member", "not for carol"]
    await scene.ok("carol", "conversations.join", channel=scene.general)
    await scene.post("alice", scene.general, "for carol")
    assert await carol.texts() == ["for carol"]


@pytest.mark.parametrize("error", [RuntimeError("a defect"), UnicodeEncodeError("utf-8", "x", 0, 1, "surrogates")])
async def test_a_writer_survives_whatever_happens_to_a_batch(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def broken(_: Transaction) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "commit", broken)
        answer = await scene.call("alice", "chat.postMessage", channel=scene.general, text="x")
        assert answer["error"] == "service_unavailable"
    caplog.clear()
    await scene.post("alice", scene.general, "y")
    assert [message["text"] for message in await scene.history("bob", scene.general)] == ["y"]


async def test_a_process_whose_files_may_not_grow_goes_on_when_they_may(tmp_path: Path) -> None:
    """The error of the operating system this time: a write that fails with EFBIG."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--rate-limits", "off",
        "--data", str(tmp_path / "data"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        facts = json.loads(await process.stdout.readline())
        headers = {"Authorization": f"Bearer {facts['users']['alice']['token']}"}
        async with aiohttp.ClientSession(headers=headers) as http:

            async def post(text: str) -> dict[str, Any]:
                arguments = {"channel": facts["channels"]["general"], "text": text}
                async with http.post(facts["api_url"] + "chat.postMessage", data=arguments) as answer:
                    found: dict[str, Any] = await answer.json()
                    return found

            acked = [(await post("before"))["ts"]]
            limits = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (300_000, limits[1]))
            while (answer := await post("x" * 10_000))["ok"]:
                acked.append(answer["ts"])
                assert len(acked) < 1_000
            assert answer["error"] == "service_unavailable"
            assert {(await post("x" * 10_000))["ok"] for _ in range(5)} == {False}
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
            acked.append((await post("after"))["ts"])

            arguments = {"channel": facts["channels"]["general"], "limit": "1000"}
            async with http.post(facts["api_url"] + "conversations.history", data=arguments) as answer:
                kept = [message["ts"] for message in (await answer.json())["messages"]]
        assert kept == acked[::-1]
        process.terminate()
        _, log = await process.communicate()
        assert process.returncode == 0
        assert b"could not be stored" in log
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
