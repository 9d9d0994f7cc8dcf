"""The index of the search: it has the words of all messages, and posts do not wait for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from stores import Store, beside, change, engine_beside

from scene import OpenScene, Scene, TurnedClock
from tautwire.server.log.epochs import begin_epoch
from tautwire.server.log.transaction import Transaction
from tautwire.server.services.search import filling
from tautwire.server.services.search.entries import entry_of
from tautwire.server.services.search.filling import Filling
from tautwire.server.store.backup import back_up, restore
from tautwire.server.store.check import check
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.queries.search import Phrase, Wanted, find_fill, find_matches
from tautwire.server.store.sqlite import create_file, migrate

EMPTY = ("DELETE FROM search_entry", "UPDATE search_fill SET channel = '', ts = ''")


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


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enters nothing in the background after the start."""
    monkeypatch.setattr(filling, "DELAY", 3_600)


async def until(is_true: Callable[[], Awaitable[bool]]) -> None:
    while not await is_true():  # noqa: ASYNC110 - the row of another task is waited for
        await asyncio.sleep(0.01)


async def filled(scene: Scene) -> None:
    assert await scene.server.workspace.filling.catch_up(30)


async def test_the_index_has_exactly_the_words_of_the_messages(scene: Scene) -> None:
    await write_some(scene)
    await filled(scene)

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)
        assert len(entries(query)) == 9
        assert found(query, scene.users["alice"], "needle") == 9
        assert (found(query, scene.users["alice"], "word1"), found(query, scene.users["alice"], "changed1")) == (0, 1)
        assert find_fill(query).reaches(find_fill(query).head)


async def test_a_post_does_nothing_for_the_search(by_hand: None, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.post("alice", scene.general, "the first one reads the room")
    await filled(scene)
    done: list[str] = []
    insert = Transaction.insert

    def note_insert(tx: Transaction, into: Any, row: Any) -> None:
        done.append(into.table)
        insert(tx, into, row)

    def refuse(tx: Transaction, sql: str, *arguments: object) -> Any:
        raise AssertionError(sql)

    def refuse_words(text: str) -> list[str]:
        raise AssertionError(text)

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "insert", note_insert)
        for name in ("one", "all", "execute"):
            patch.setattr(Transaction, name, refuse)
        patch.setattr("tautwire.server.services.search.entries.words_of", refuse_words)
        await scene.post("alice", scene.general, "needle")

    assert done == ["message"]
    with beside(scene.server.settings) as query:
        assert found(query, scene.users["alice"], "needle") == 0
    await filled(scene)
    with beside(scene.server.settings) as query:
        assert found(query, scene.users["alice"], "needle") == 1


async def test_new_messages_are_entered_without_a_search(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "DELAY", 0)
    await filled(scene)
    await scene.post("alice", scene.general, "needle")
    reader = scene.server.workspace.reader
    await until(lambda: reader.read(lambda query: found(query, scene.users["alice"], "needle") == 1))


async def test_nothing_is_written_while_there_is_nothing_to_enter(
    by_hand: None, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.post("alice", scene.general, "needle")
    await filled(scene)

    def refuse(tx: Transaction) -> bool:
        raise AssertionError("a unit for no message")

    monkeypatch.setattr(filling, "_enter", refuse)
    await filled(scene)
    answer = await scene.ok("bob", "search.messages", query="needle")
    assert answer["messages"]["total"] == 1


async def test_a_message_that_is_not_entered_is_changed_and_deleted(by_hand: None, scene: Scene) -> None:
    await filled(scene)
    await write_some(scene)
    parent = await scene.post("alice", scene.general, "thorn")
    await scene.post("bob", scene.general, "reply", thread_ts=parent)
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=parent)  # a tombstone stays
    with beside(scene.server.settings) as query:
        assert not [entry for entry in entries(query) if "thorn" in entry[2] or "word1 " in entry[2]]

    await filled(scene)

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)


async def test_what_is_acknowledged_is_found_beside_other_posts(by_hand: None, scene: Scene) -> None:
    is_over = False

    async def chatter(who: str, channel: str) -> int:
        count = 0
        while not is_over:
            count += 1
            await scene.post(who, channel, f"chatter {count}")
        return count

    others = [asyncio.create_task(chatter(who, scene.general)) for who in ("alice", "bob", "relaybot")]
    for number in range(15):
        await scene.post("alice", scene.ops, f"needle{number}")
        answer = await scene.ok("alice", "search.messages", query=f"needle{number}")
        assert [match["text"] for match in answer["messages"]["matches"]] == [f"needle{number}"]
    is_over = True
    counts = await asyncio.gather(*others)
    await filled(scene)
    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)
        assert len(entries(query)) == 15 + sum(counts)


async def test_many_messages_are_entered_in_small_units(
    by_hand: None, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "MAX_MESSAGES", 4)
    await write_some(scene)
    with beside(scene.server.settings) as query:
        before = find_fill(query)
    await scene.server.workspace.writer.write(filling._enter)
    with beside(scene.server.settings) as query:
        assert find_fill(query).position == before.position + 4
    await filled(scene)

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)


async def test_older_messages_are_entered_in_small_units(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MAX_MESSAGES", 4)
    await write_some(scene)
    await filled(scene)
    change(engine_beside(scene.server.settings), *EMPTY)
    ts = await scene.post("alice", scene.general, "needle, written meanwhile")
    other = await scene.post("alice", scene.general, "thorn, written meanwhile")
    await scene.ok("alice", "chat.update", channel=scene.general, ts=other, text="thistle")

    await filled(scene)

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)
        assert found(query, scene.users["alice"], "needle") == 10
        assert find_fill(query).older is None
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=ts)
    with beside(scene.server.settings) as query:
        assert found(query, scene.users["alice"], "needle") == 9


async def test_it_goes_on_where_it_was_interrupted(
    by_hand: None, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "MAX_MESSAGES", 3)
    await write_some(scene)
    workspace = scene.server.workspace
    await filled(scene)
    change(engine_beside(scene.server.settings), *EMPTY)
    await workspace.writer.write(filling._enter)
    with beside(scene.server.settings) as query:
        assert len(entries(query)) == 3

    assert await Filling(workspace.writer, workspace.reader).catch_up(30)

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)


async def test_messages_whose_log_entries_are_deleted_are_entered(by_hand: None, scene: Scene) -> None:
    await filled(scene)
    await write_some(scene)
    change(engine_beside(scene.server.settings), "DELETE FROM log WHERE position < (SELECT max(position) FROM log)")

    await filled(scene)

    with beside(scene.server.settings) as query:
        assert entries(query) == wanted_entries(query)


async def test_a_large_message_ends_a_unit(by_hand: None, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await filled(scene)
    monkeypatch.setattr(filling, "MAX_BYTES", 1)
    for _ in range(2):
        await scene.post("alice", scene.general, "needle")
    await scene.server.workspace.writer.write(filling._enter)
    with beside(scene.server.settings) as query:
        assert len(entries(query)) == 1
    await filled(scene)
    change(engine_beside(scene.server.settings), *EMPTY)
    await scene.server.workspace.writer.write(filling._enter)
    with beside(scene.server.settings) as query:
        assert len(entries(query)) == 1


async def test_a_search_waits_no_longer_than_its_patience(
    by_hand: None, scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.post("alice", scene.general, "needle")

    assert not await scene.server.workspace.filling.catch_up(0)

    assert "a search does not find all messages" in caplog.text
    assert await scene.server.workspace.filling.catch_up()


async def test_a_search_answers_while_nothing_can_be_stored(
    by_hand: None, scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.post("alice", scene.general, "needle one")
    await filled(scene)
    await scene.post("alice", scene.general, "needle two")

    def full(tx: Any) -> bool:
        raise StoreError("the disk is full")

    monkeypatch.setattr(filling, "_enter", full)
    answer = await scene.ok("alice", "search.messages", query="needle")

    assert [match["text"] for match in answer["messages"]["matches"]] == ["needle one"]
    assert "a search may not find the newest messages: the change could not be stored" in caplog.text
    caplog.clear()
    monkeypatch.undo()
    await filled(scene)


async def test_after_an_error_it_tries_again(
    by_hand: None, scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(filling, "RETRY", 0)
    await scene.post("alice", scene.general, "needle")
    enter, failures = filling._enter, [StoreError("the disk is full"), ValueError("a defect")]

    def failing(tx: Any) -> bool:
        if failures:
            raise failures.pop(0)
        return enter(tx)

    monkeypatch.setattr(filling, "_enter", failing)
    workspace = scene.server.workspace
    task = asyncio.create_task(Filling(workspace.writer, workspace.reader).run())
    await until(lambda: workspace.reader.read(lambda query: find_fill(query).reaches(find_fill(query).head)))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert caplog.text.count("not entered into the search for now") == 2
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
        await filled(again)
        with beside(again.server.settings) as query:
            assert entries(query) == wanted_entries(query)
            assert len(entries(query)) == 9
            assert found(query, scene.users["alice"], "needle") == 9


async def test_a_check_finds_words_of_a_deleted_message(scene: Scene, store: Store, tmp_path: Path) -> None:
    await scene.post("alice", scene.general, "needle")
    await filled(scene)
    change(engine_beside(scene.server.settings), "DELETE FROM message WHERE user_id <> ''")

    with closing(open_engine(tmp_path / "data", store.url(tmp_path / "data"), read_only=True)) as engine:
        assert any("the search still has its words" in problem for problem in check(engine).problems)


def test_only_a_workspace_of_an_earlier_version_has_messages_to_enter(tmp_path: Path) -> None:
    with closing(create_file(tmp_path / "old", 17)) as old, closing(create_file(tmp_path / "new", 17)) as new:
        old.begin()
        old.run("INSERT INTO workspace (id, name, domain, created, head) VALUES ('T1', 'n', 'd', 1, 7)")
        old.commit()
        for session in (old, new):
            migrate(session.connection)
        assert find_fill(old) == (7, ("", ""), 7)
        assert find_fill(new) == (0, None, 0)
