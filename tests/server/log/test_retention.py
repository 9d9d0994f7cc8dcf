"""Old entries of the log go, and never one that a client can still ask for."""

import asyncio
import contextlib
import itertools
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stores import Store, beside, change

from scene import ConnectionEnded, OpenScene, Scene, TurnedClock, eventually, is_plain
from tautwire.protocol.errors import ConfigError
from tautwire.server.config import Settings
from tautwire.server.log import retention
from tautwire.server.log.entry import Topic
from tautwire.server.log.retention import MARK_INTERVAL, Retention
from tautwire.server.log.tail import Tail, read_entries
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import ReadSession, StoreError
from tautwire.server.store.reader import Reader
from tautwire.server.store.sqlite import SqliteEngine
from tautwire.server.values import DAY
from tautwire.server.web_api.methods import rtm

HOUR = 3_600.0
REPLAY = 10
"""Entries that always stay in these tests."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MAX_REPLAY", REPLAY)
    monkeypatch.setattr(rtm, "MAX_REPLAY", 1_000_000)  # so that only what is gone makes a resync
    monkeypatch.setattr(retention, "PAUSE", 0.001)


@pytest.fixture
def database(scene: Scene) -> Iterator[ReadSession]:
    """A connection of another program, so to speak."""
    with beside(scene.server.settings) as session:
        yield session


def positions(database: ReadSession) -> list[int]:
    return [row[0] for row in database.all("SELECT position FROM log ORDER BY position")]


async def prune(scene: Scene) -> None:
    """Have the server look at its log as it does now and then."""
    workspace = scene.server.workspace
    keep = workspace.settings.log_keep
    await Retention(workspace.writer, workspace.reader, workspace.tail, scene.clock, keep).look()


async def test_entries_older_than_the_age_go_and_the_last_ones_stay(scene: Scene, database: ReadSession) -> None:
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    head = scene.server.workspace.tail.position
    await prune(scene)
    scene.clock.step += 7 * DAY - 60
    await prune(scene)
    assert positions(database) == list(range(1, head + 1)), "nothing is old enough"

    scene.clock.step += 120
    await prune(scene)

    assert positions(database) == list(range(head - REPLAY + 1, head + 1))
    assert scene.server.workspace.tail.kept_from == head - REPLAY + 1
    await scene.post("alice", scene.general, "on it goes")
    assert positions(database)[-1] == head + 1


async def test_what_came_after_the_last_old_mark_stays(scene: Scene, database: ReadSession) -> None:
    await prune(scene)
    old = scene.server.workspace.tail.position
    scene.clock.step += 6 * DAY
    for number in range(3 * REPLAY):
        await scene.post("alice", scene.general, str(number))
    await prune(scene)
    scene.clock.step += 1.5 * DAY
    await prune(scene)
    assert positions(database)[0] == old + 1


async def test_a_client_that_needs_what_is_gone_starts_over_and_gets_no_part_of_it(scene: Scene) -> None:
    epochs = scene.server.workspace.epochs
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    head = scene.server.workspace.tail.position
    await prune(scene)
    scene.clock.step += 8 * DAY
    await prune(scene)

    for position in range(head + 1):
        grant = await scene.grant("bob", resume=epochs.mark(position))
        assert grant["resume"] == ("resumed" if position >= head - REPLAY else "resync"), position
    bob = await scene.connect("bob", resume=epochs.mark(head - REPLAY))
    assert await bob.texts() == [str(number) for number in range(20 - REPLAY, 20)]


async def test_a_start_knows_where_the_log_begins(scene: Scene) -> None:
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    before = scene.server.workspace.tail.position
    position = scene.server.workspace.epochs.mark(before - REPLAY - 1)
    await prune(scene)
    scene.clock.step += 8 * DAY
    await prune(scene)
    await scene.server.stop()
    await scene.server.start()
    scene.tokens = {name: user["token"] or "" for name, user in (await scene.server.directory()).users.items()}

    assert scene.server.workspace.tail.kept_from == before - REPLAY + 1
    assert (await scene.grant("bob", resume=position))["resume"] == "resync"


async def test_a_connection_whose_entries_go_while_it_reads_is_cut(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """It comes again; a part of what it missed would be a gap that it does not know of."""
    grant = await scene.grant("bob")
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    await prune(scene)
    scene.clock.step += 8 * DAY
    await prune(scene)
    scene.server.workspace.tail._entries.clear()  # memory does not hold them any more

    bob = await scene.dial(grant)

    seen = []
    with contextlib.suppress(ConnectionEnded):
        while True:
            seen.append(await bob.frame())
    assert not [frame for frame in seen if is_plain(frame)]
    caplog.clear()


async def test_messages_whose_entries_are_gone_can_be_changed(scene: Scene) -> None:
    first = await scene.post("alice", scene.general, "first")
    second = await scene.post("alice", scene.general, "second")
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    await prune(scene)
    scene.clock.step += 8 * DAY
    await prune(scene)
    bob = await scene.connect("bob")

    await scene.ok("alice", "chat.update", channel=scene.general, ts=first, text="changed")
    await scene.ok("alice", "chat.delete", channel=scene.general, ts=second)

    assert await bob.events() == ["message_changed", "message_deleted"]
    assert (await scene.history("bob", scene.general, limit=100))[-1]["text"] == "changed"


async def test_event_ts_grows_over_a_start_with_a_pruned_log(scene: Scene, database: ReadSession) -> None:
    ts = ""
    for number in range(20):
        ts = await scene.post("alice", scene.general, str(number))
    await prune(scene)
    scene.clock.step += 8 * DAY
    await prune(scene)
    scene.clock.step -= 8 * DAY + 1_000
    await scene.server.stop()
    await scene.server.start()
    bob = await scene.connect("bob")
    await scene.ok("alice", "chat.update", channel=scene.general, ts=ts, text="new")
    frame = await bob.until(lambda frame: frame.get("subtype") == "message_changed")
    assert frame["event_ts"] > ts
    assert positions(database)[-1] == scene.server.workspace.tail.position


async def test_marks_are_an_hour_apart_and_go_with_their_entries(scene: Scene, database: ReadSession) -> None:
    workspace = scene.server.workspace
    keeper = Retention(workspace.writer, workspace.reader, workspace.tail, scene.clock, 7 * DAY)
    await keeper.look()
    for _ in range(12):
        await scene.post("alice", scene.general, "x")
        scene.clock.step += HOUR / 4
        await keeper.look()
    marks = [tuple(row) for row in database.all("SELECT position, time FROM log_mark ORDER BY position")]
    times = [time for _, time in marks]
    assert len(marks) in (4, 5), "at the start of the server, at the start of the keeper, and three hours"
    assert all(later - earlier >= MARK_INTERVAL for earlier, later in itertools.pairwise(times[1:]))

    for _ in range(20):
        await scene.post("alice", scene.general, "x")
    await keeper.look()
    scene.clock.step += 8 * DAY
    await keeper.look()
    oldest = positions(database)[0]
    assert all(row[0] >= oldest - 1 for row in database.all("SELECT position FROM log_mark"))


async def test_deleting_gives_way_to_changes(
    scene: Scene, database: ReadSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = scene.server.workspace
    monkeypatch.setattr(retention, "MAX_ENTRIES", 1)
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    await prune(scene)
    scene.clock.step += 8 * DAY
    monkeypatch.setattr(type(workspace.writer), "waiting", 1)
    pruning = asyncio.create_task(prune(scene))
    for _ in range(20):
        await scene.ok("alice", "auth.test")
    assert workspace.tail.kept_from == 1

    monkeypatch.setattr(type(workspace.writer), "waiting", 0)
    await pruning

    assert workspace.tail.kept_from == workspace.tail.position - REPLAY + 1 == positions(database)[0]


@pytest.mark.parametrize(("entries", "size", "most"), [(1_200, 2, retention.MAX_ENTRIES), (20, 60_000, 5)])
async def test_one_unit_deletes_no_more_than_it_may(
    scene: Scene, database: ReadSession, entries: int, size: int, most: int
) -> None:
    def fill(tx: Transaction) -> None:
        tx.execute("DELETE FROM log")
        for _ in range(entries):
            tx.emit(Topic("C1"), b"x" * size)

    writer = scene.server.workspace.writer
    await writer.write(fill)
    sizes = []
    left = entries
    while left:
        await writer.write(lambda tx: retention._delete(tx, 1_000_000))
        sizes.append(left - len(positions(database)))
        left -= sizes[-1]
    assert max(sizes) == most


async def test_the_server_prunes_by_itself(open_scene: OpenScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "INTERVAL", 0.01)
    scene = await open_scene(log_keep=HOUR)
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    head = scene.server.workspace.tail.position
    scene.clock.step += 1.1 * HOUR  # the mark
    reader = scene.server.workspace.reader

    async def is_marked() -> bool:
        return await reader.read(lambda query: query.one("SELECT 1 FROM log_mark WHERE position = ?", head) is not None)

    async with asyncio.timeout(10):
        while not await is_marked():  # noqa: ASYNC110 - nothing reports it
            await asyncio.sleep(0.01)
    scene.clock.step += 1.1 * HOUR
    await eventually(lambda: scene.server.workspace.tail.kept_from == head - REPLAY + 1)


async def test_a_store_that_takes_nothing_stops_the_pruning_for_now_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "INTERVAL", 0.01)
    workspace = scene.server.workspace
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    keeper = Retention(workspace.writer, workspace.reader, workspace.tail, scene.clock, HOUR)
    await keeper.look()
    scene.clock.step += 2 * HOUR
    write = Writer.write
    failures = 0

    async def failing(writer: Writer, unit: object) -> object:
        nonlocal failures
        if failures < 3:
            failures += 1
            raise StoreError("the disk is full")
        return await write(writer, unit)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "write", failing)
    running = asyncio.create_task(keeper.run())
    await eventually(lambda: workspace.tail.kept_from > 1)
    running.cancel()
    assert failures == 3
    assert "stay for now: the disk is full" in caplog.text


@pytest.mark.parametrize("value", [0, -1, 60])
def test_an_age_that_cannot_be_kept_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=f"log_keep must be at least 3600 seconds, got {value}"):
        Settings(data=Path("x"), log_keep=value)


# --- whatever happens ---

Step = tuple[str, float]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(1, 15)),
        st.tuples(st.just("wait"), st.sampled_from([60.0, HOUR, 5 * HOUR, DAY, 3 * DAY])),
        st.tuples(st.just("set"), st.sampled_from([-2 * DAY, -HOUR, HOUR])),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("start"), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)
KEEP = 2 * DAY


@given(STEPS)
@example([("post", 15), ("look", 0), ("set", -2 * DAY)])
@settings(max_examples=40, deadline=None)
def test_an_entry_goes_only_when_it_is_old_and_goes_in_the_end(steps: list[Step]) -> None:
    asyncio.run(_go_through(steps))


async def _go_through(steps: list[Step]) -> None:
    clock = TurnedClock()
    clock.micros = lambda: int((1_800_000_000 + clock.offset + clock.step) * 1_000_000)  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as directory, SqliteEngine(Path(directory)) as database:
        tail = Tail(0)
        writer = Writer(database, clock=clock, deliver=tail.extend)
        reader = Reader(database, threads=1)
        keeper = Retention(writer, reader, tail, clock, KEEP)
        await writer.write(
            lambda tx: tx.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 0)")
        )
        written: dict[int, float] = {}
        """When each entry was written, on a clock that is never set."""

        def post(tx: Transaction) -> int:
            return tx.emit(Topic("C1"), b"{}")

        async def check() -> None:
            stored = [row[0] for row in await reader.read(lambda q: q.all("SELECT position FROM log ORDER BY 1"))]
            head = len(written)
            assert stored == list(range(tail.kept_from, head + 1)), "only the oldest go, and positions go on growing"
            assert len(stored) >= min(head, REPLAY)
            for position in range(1, tail.kept_from):
                age = clock.offset - written[position]
                assert age + (most - lowest) >= KEEP, "it was young by every clock there was"
            entries = await reader.read(lambda q: read_entries(q, after=tail.kept_from - 1, before=head + 1))
            assert [entry.position for entry in entries] == stored

        lowest = most = 0.0
        for kind, value in steps:
            if kind == "post":
                for _ in range(int(value)):
                    written[await writer.write(post)] = clock.offset
            elif kind == "wait":
                clock.offset += value
            elif kind == "set":
                clock.step += value
                lowest, most = min(lowest, clock.step), max(most, clock.step)
            elif kind == "look":
                await keeper.look()
                await check()
            else:
                keeper = Retention(writer, reader, tail, clock, KEEP)
        await keeper.look()
        await check()
        # in the end
        clock.offset += HOUR
        await keeper.look()
        clock.offset += KEEP + HOUR
        await keeper.look()
        assert tail.kept_from == max(1, len(written) - REPLAY + 1)
        await check()
        await writer.close()
        reader.close()


def test_a_reader_of_the_log_gets_all_or_an_error(store: Store, tmp_path: Path) -> None:
    with contextlib.closing(store.open(tmp_path)) as database, contextlib.closing(database.session()) as snapshot:
        sql = "INSERT INTO log (position, kind, topic, payload) VALUES (?, 'event', '*', ?)"
        change(database, *((sql, (number, b"{}")) for number in (3, 4, 5)))
        assert [entry.position for entry in read_entries(snapshot, after=2, before=6)] == [3, 4, 5]
        assert read_entries(snapshot, after=5, before=6) == []
        for after, before in [(1, 6), (0, 3), (0, 2)]:
            with pytest.raises(StoreError, match="of the log was deleted"):
                read_entries(snapshot, after=after, before=before)


async def test_what_was_deleted_is_in_the_log_with_its_number(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tautwire.server.log")
    for number in range(20):
        await scene.post("alice", scene.general, str(number))
    head = scene.server.workspace.tail.position
    await prune(scene)
    scene.clock.step += 8 * DAY
    assert "are deleted" not in caplog.text
    await prune(scene)
    await prune(scene)
    lines = [each.getMessage() for each in caplog.records if "are deleted" in each.getMessage()]
    gone = head - REPLAY
    assert lines == [f"{gone} old entries of the log are deleted; it begins at {gone + 1}"]
