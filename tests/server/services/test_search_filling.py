"""The index of the search: it has the words of all messages, also of those that are older than it."""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from stores import Store, beside, change, engine_beside

from scene import OpenScene, Scene, TurnedClock
from tautwire.server.log.epochs import begin_epoch
from tautwire.server.services.search import filling
from tautwire.server.services.search.entries import entry_of
from tautwire.server.services.search.filling import Filling
from tautwire.server.store.backup import back_up, restore
from tautwire.server.store.check import check
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.queries.search import Phrase, Wanted, find_fill, find_matches
from tautwire.server.store.sqlite import create_file, migrate

EMPTY = ("DELETE FROM search_entry", "INSERT INTO search_fill (channel, ts) VALUES ('', '')")


def wanted_entries(query: Query) -> set[tuple[Any, ...]]:
    """Return the entries that there have to be."""
    rows = query.all("SELECT channel, ts, user_id, body FROM message")
    entries = (entry_of(row["channel"], row["ts"], row["user_id"], msgspec.json.decode(row["body"])) for row in rows)
    return {tuple(entry) for entry in entries if entry is not None}


def entries(query: Query) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in query.all("SELECT ts, channel, words FROM search_entry")}


def found(query: Query, user: str, word: str) -> int:
    wanted = Wanted([Phrase((word,))])
    return len(find_matches(query, user, wanted, newest_first=True, count=1_000))


async def write_some(scene: Scene) -> None:
    for number in range(12):
        ts = await scene.post("alice", scene.general, f"word{number} needle")
        if number % 3 == 1:
            await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text=f"changed{number} needle")
        if number % 3 == 2:
            await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)
    await scene.post("relaybot", scene.ops, "needle in private")


async def test_the_index_has_exactly_the_words_of_the_messages(scene: Scene) -> None:
    await write_some(scene)

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)
        assert len(entries(query)) == 9
        assert found(query, scene.users["alice"], "needle") == 9
        assert (found(query, scene.users["alice"], "word1"), found(query, scene.users["alice"], "changed1")) == (0, 1)


async def test_older_messages_are_entered_in_small_units(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MAX_MESSAGES", 4)
    monkeypatch.setattr(filling, "PAUSE", 0)
    await write_some(scene)
    workspace = scene.server.workspace
    change(engine_beside(scene.server.settings), *EMPTY)
    assert await workspace.reader.read(lambda query: found(query, scene.users["alice"], "needle")) == 0
    ts = await scene.post("alice", scene.general, "needle, written meanwhile")
    other = await scene.post("alice", scene.general, "thorn, written meanwhile")
    await scene.ok("alice", "chat.update", channel=scene.general, ts=other, text="thistle")

    await Filling(workspace.writer, workspace.reader).run()

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)
        assert found(query, scene.users["alice"], "needle") == 10
        assert query.one("SELECT * FROM search_fill") is None
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)
    with beside(scene.server.settings) as query:
        assert found(query, scene.users["alice"], "needle") == 9


async def test_it_goes_on_where_it_was_interrupted(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MAX_MESSAGES", 3)
    await write_some(scene)
    workspace = scene.server.workspace
    change(engine_beside(scene.server.settings), *EMPTY)
    first = await workspace.writer.write(filling._enter)
    with beside(scene.server.settings) as query:
        assert first == len(entries(query)) == 3

    second = Filling(workspace.writer, workspace.reader)
    await second.run()

    assert second.is_done.is_set()
    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)


async def test_a_large_message_ends_a_unit(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MAX_BYTES", 1)
    await scene.post("alice", scene.general, "needle")
    await scene.post("alice", scene.general, "needle")
    change(engine_beside(scene.server.settings), *EMPTY)

    assert await scene.server.workspace.writer.write(filling._enter) == 1


async def test_after_an_error_it_tries_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(filling, "RETRY", 0)
    await scene.post("alice", scene.general, "needle")
    change(engine_beside(scene.server.settings), *EMPTY)
    enter, failures = filling._enter, [StoreError("the disk is full"), ValueError("a defect")]

    def failing(tx: Any) -> int | None:
        if failures:
            raise failures.pop(0)
        return enter(tx)

    monkeypatch.setattr(filling, "_enter", failing)
    await asyncio.wait_for(Filling(scene.server.workspace.writer, scene.server.workspace.reader).run(), 10)

    assert "not entered into the search for now" in caplog.text
    caplog.clear()
    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)


async def test_a_restored_workspace_is_searched(
    open_scene: OpenScene, store: Store, clock: TurnedClock, tmp_path: Path
) -> None:
    scene = await open_scene()
    await write_some(scene)
    with closing(open_engine(tmp_path / "data", store.url(tmp_path / "data"), read_only=True)) as engine:
        manifest = back_up(engine, tmp_path / "file")
    assert not [table for table in manifest.tables if table.startswith("search")]

    restore(tmp_path / "file", tmp_path / "new", store.url(tmp_path / "new"), begin_epoch)

    async with Scene.opened(tmp_path / "new", clock, seed=None, database=store.url(tmp_path / "new")) as again:
        await asyncio.wait_for(again.server._only.filling.is_done.wait(), 10)
        with beside(again.server.settings) as query:
            assert entries(query) == wanted_entries(query)
            assert len(entries(query)) == 9
            assert found(query, scene.users["alice"], "needle") == 9


async def test_a_check_finds_words_of_a_deleted_message(scene: Scene, store: Store, tmp_path: Path) -> None:
    await scene.post("alice", scene.general, "needle")
    change(engine_beside(scene.server.settings), "DELETE FROM message WHERE user_id <> ''")

    with closing(open_engine(tmp_path / "data", store.url(tmp_path / "data"), read_only=True)) as engine:
        assert any("the search still has its words" in problem for problem in check(engine).problems)


def test_only_a_workspace_of_an_earlier_version_has_messages_to_enter(tmp_path: Path) -> None:
    with closing(create_file(tmp_path / "old", 18)) as old, closing(create_file(tmp_path / "new", 18)) as new:
        old.begin()
        old.run("INSERT INTO workspace (id, name, domain, created, head) VALUES ('T1', 'n', 'd', 1, 0)")
        old.commit()
        for session in (old, new):
            migrate(session.connection)
        row = find_fill(old)
        assert row is not None
        assert tuple(row) == ("", "")
        assert find_fill(new) is None
