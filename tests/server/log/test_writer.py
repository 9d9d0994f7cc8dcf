"""The writer: group commit, isolation of units, and what a failed commit leaves behind."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from stores import Store, rows_of

from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.transaction import LogCutError, Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.store.engine import Engine, Insert, StatementError, StoreError
from tautwire.server.store.sqlite import SqliteEngine

CHANNEL = Topic("C1")
CLOCK = Insert("channel_clock", ("channel", "last_ts"))


def found(tx: Transaction) -> None:
    """Create the workspace, whose row has the head of the log."""
    tx.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 0)")


class Log:
    """What the loop was told, in order."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.batches = 0

    def __call__(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self.batches += 1


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def database(store: Store, tmp_path: Path) -> Iterator[Engine]:
    with closing(store.open(tmp_path)) as database:
        yield database


@pytest.fixture
async def writer(database: Engine, log: Log) -> AsyncIterator[Writer]:
    writer = Writer(database, clock=Clock(), deliver=log)
    await writer.write(found)
    yield writer
    await writer.close()


def positions(database: Engine) -> list[int]:
    return [row[0] for row in rows_of(database, "SELECT position FROM log ORDER BY position")]


async def test_a_unit_returns_when_it_is_durable(writer: Writer, database: Engine) -> None:
    position = await writer.write(lambda tx: tx.emit(CHANNEL, b"{}"))

    assert positions(database) == [position] == [1]


async def test_units_that_wait_together_are_committed_together_in_order(writer: Writer, log: Log) -> None:
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(tx: Transaction) -> None:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    first = asyncio.create_task(writer.write(slow))
    rest = [asyncio.create_task(writer.write(lambda tx, n=n: tx.emit(CHANNEL, b"%d" % n))) for n in range(100)]
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(first, *rest)

    assert [entry.payload for entry in log.entries] == [b"%d" % n for n in range(100)]
    assert [entry.position for entry in log.entries] == list(range(1, 101))
    assert log.batches <= 2


async def test_events_are_delivered_before_the_result_is_known(writer: Writer, log: Log) -> None:
    seen: list[int] = []
    done = asyncio.Event()

    def report(result: object, error: BaseException | None) -> None:
        seen.append(len(log.entries))
        done.set()

    writer.post(lambda tx: tx.emit(CHANNEL, b"{}"), report)
    await done.wait()

    assert seen == [1]


async def test_a_unit_that_raises_undoes_its_own_writes_and_nobody_elses(
    writer: Writer, database: Engine, log: Log
) -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(tx: Transaction) -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        tx.emit(CHANNEL, b"before")
        tx.insert(CLOCK, ("before", "1"))

    def broken(tx: Transaction) -> None:
        tx.remember("room", CHANNEL, "stale")
        tx.forget("room", CHANNEL)
        tx.remember("room", CHANNEL, "stale again")
        tx.emit(CHANNEL, b"lost")
        tx.insert(CLOCK, ("lost", "1"))
        tx.one("SELECT 1")
        tx.execute("INSERT INTO channel_clock VALUES ('lost too', '1')")
        tx.emit(CHANNEL, b"lost as well")
        raise KeyError("mine")

    def after(tx: Transaction) -> object:
        tx.emit(CHANNEL, b"after")
        return tx.recall("room", CHANNEL)

    tasks = [asyncio.create_task(writer.write(unit)) for unit in (hold, broken, after)]
    await asyncio.sleep(0)
    gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(results[1], KeyError)
    assert results[2] is None
    assert [(entry.position, entry.payload) for entry in log.entries] == [(1, b"before"), (2, b"after")]
    assert positions(database) == [1, 2]
    assert rows_of(database, "SELECT channel FROM channel_clock") == [("before",)]


async def test_a_read_in_a_unit_sees_what_the_batch_wrote_before(writer: Writer) -> None:
    def unit(tx: Transaction) -> object:
        tx.insert(CLOCK, ("C9", "7"))
        row = tx.one("SELECT last_ts FROM channel_clock WHERE channel = 'C9'")
        return row and row[0]

    assert await writer.write(unit) == "7"


async def test_a_statement_in_a_unit_changes_what_the_unit_inserted_before(writer: Writer) -> None:
    def unit(tx: Transaction) -> int:
        tx.insert(CLOCK, ("C9", "7"))
        return tx.execute("UPDATE channel_clock SET last_ts = '8' WHERE channel = 'C9'")

    assert await writer.write(unit) == 1


async def test_a_commit_that_fails_tells_every_caller_and_delivers_nothing(
    writer: Writer, database: Engine, log: Log
) -> None:
    def full_disk(tx: Transaction) -> None:
        tx.emit(CHANNEL, b"never")
        raise StoreError("database or disk is full")

    with pytest.raises(StoreError, match="disk is full"):
        await writer.write(full_disk)

    assert log.entries == []
    assert await writer.write(lambda tx: tx.emit(CHANNEL, b"{}")) == 1
    assert positions(database) == [1]


async def test_joins_and_leaves_have_their_place_in_the_log(writer: Writer, log: Log) -> None:
    def unit(tx: Transaction) -> None:
        tx.join(CHANNEL, "U1")
        tx.emit(CHANNEL, b"{}")
        tx.leave(CHANNEL, "U1")

    await writer.write(unit)

    assert [entry.kind for entry in log.entries] == ["join", "event", "leave"]


async def test_closing_finishes_what_was_handed_in(database: Engine, log: Log) -> None:
    writer = Writer(database, clock=Clock(), deliver=log)
    await writer.write(found)
    tasks = [asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"{}"))) for _ in range(50)]
    await asyncio.sleep(0)
    await writer.close()

    assert await asyncio.gather(*tasks) == list(range(1, 51))
    with pytest.raises(StoreError):
        writer.post(lambda tx: None, lambda result, error: None)


async def test_a_second_server_on_the_same_directory_is_refused(database: Engine, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="another server"):
        SqliteEngine(tmp_path)


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with SqliteEngine(tmp_path / "new") as database:
        connection = database.connect()
        connection.execute("PRAGMA user_version = 99")
        connection.close()

    with pytest.raises(StoreError, match="newer"):
        SqliteEngine(tmp_path / "new")


async def test_a_caller_that_was_cancelled_costs_no_other_its_answer_and_its_change_is_stored(
    writer: Writer, database: Engine, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    held, began = threading.Event(), threading.Event()

    def hold(_: Transaction) -> None:
        began.set()
        held.wait(10)

    holding = asyncio.create_task(writer.write(hold))
    assert await asyncio.to_thread(began.wait, 10)

    def refuse(_: Transaction) -> None:
        raise ValueError("refused")

    stored = asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"1")))
    failed = asyncio.create_task(writer.write(refuse))
    other = asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"2")))
    while writer.waiting < 4:  # noqa: ASYNC110 - nothing reports it
        await asyncio.sleep(0)
    stored.cancel()
    failed.cancel()
    await asyncio.wait((stored, failed))
    held.set()

    assert await asyncio.wait_for(other, 10) == 2
    await holding
    assert positions(database) == [1, 2]
    assert [entry.payload for entry in log.entries] == [b"1", b"2"]
    assert not caplog.records


class Gate:
    """Holds up the writer's thread in a unit."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def unit(self, tx: Transaction) -> int:
        self.entered.set()
        self.opened.wait(20)
        return tx.emit(CHANNEL, b"{}")


async def test_what_the_thread_is_at_waits_like_what_is_queued(writer: Writer) -> None:
    gate = Gate()
    assert writer.waiting == 0
    tasks = [asyncio.create_task(writer.write(gate.unit))]
    await asyncio.to_thread(gate.entered.wait, 20)
    tasks += [asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"{}"))) for _ in range(3)]
    await asyncio.sleep(0)
    assert writer.waiting == 4
    gate.opened.set()
    await asyncio.gather(*tasks)
    assert writer.waiting == 0


async def test_a_caller_that_gave_up_costs_nobody_else_an_answer(
    writer: Writer, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    gate = Gate()
    impatient, patient = [asyncio.create_task(writer.write(unit)) for unit in (gate.unit, lambda _: "done")]
    await asyncio.to_thread(gate.entered.wait, 20)
    impatient.cancel()
    await asyncio.sleep(0)
    gate.opened.set()
    assert await patient == "done"
    assert [entry.position for entry in log.entries] == [1], "it was on its way"
    assert not caplog.records


async def test_a_unit_that_undid_the_batch_and_raised_fails_all_of_it(
    writer: Writer, database: Engine, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """As SQLite does by itself on some errors: what the others wrote is gone, too."""

    def undoes(tx: Transaction) -> None:
        tx.session.rollback()
        raise KeyError("mine")

    def emits(tx: Transaction) -> int:
        return tx.emit(CHANNEL, b"{}")

    gate = Gate()
    first = asyncio.create_task(writer.write(gate.unit))
    await asyncio.to_thread(gate.entered.wait, 20)
    rest = [asyncio.create_task(writer.write(unit)) for unit in (emits, undoes, emits)]
    await asyncio.sleep(0)
    gate.opened.set()
    results = await asyncio.gather(*rest, return_exceptions=True)
    assert await first == 1
    assert [type(result) for result in results] == [StoreError] * 3
    assert "opened anew" not in caplog.text, "there was nothing left to roll back"
    assert await writer.write(emits) == 2
    assert positions(database) == [entry.position for entry in log.entries] == [1, 2]


async def test_a_batch_gathers_until_the_one_before_it_was_delivered(writer: Writer, log: Log) -> None:
    await settled(writer)
    writer._delivered.clear()
    first = asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"{}")))
    while not writer._jobs.empty():  # noqa: ASYNC110 - the thread takes it without a report
        await asyncio.sleep(0.002)
    await asyncio.sleep(0.02)  # for a writer that would not wait
    rest = [asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"{}"))) for _ in range(5)]
    await asyncio.sleep(0)
    writer._delivered.set()
    assert await asyncio.gather(first, *rest) == list(range(1, 7))
    assert log.batches == 1


async def settled(writer: Writer) -> None:
    """Wait until the thread may begin with the next batch."""
    while not writer._delivered.is_set():  # noqa: ASYNC110 - the loop sets it without a report
        await asyncio.sleep(0.002)


async def test_closing_commits_nothing_more_and_gives_the_connection_back(database: Engine, log: Log) -> None:
    counts = Counts()
    writer = Writer(database, clock=Clock(), deliver=log, counts=counts)
    await writer.write(lambda _: None)
    await writer.close()
    await writer.close()
    assert sum(counts.commit_changes.counts) == 1
    with pytest.raises((StatementError, StoreError), match="closed"):
        writer._committer._transaction.session.one("SELECT 1")


async def test_what_was_given_up_is_reported_once_however_often_the_writer_is_closed(
    database: Engine, log: Log
) -> None:
    gate = Gate()
    writer = Writer(database, clock=Clock(), deliver=log)
    reported: list[object] = []
    writer.post(gate.unit, lambda _result, error: reported.append(error))
    await asyncio.to_thread(gate.entered.wait, 20)
    for _ in range(2):
        await writer.close(0.01)
    assert [type(error) for error in reported] == [StoreError]
    gate.opened.set()
    await asyncio.to_thread(writer._thread.join, 20)
    writer._committer.close()


async def test_a_batch_has_a_largest_size(writer: Writer, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a flood would keep everybody waiting for one commit."""
    monkeypatch.setattr("tautwire.server.log.writer.MAX_BATCH", 3)
    gate = Gate()
    tasks = [asyncio.create_task(writer.write(gate.unit))]
    await asyncio.to_thread(gate.entered.wait, 20)
    tasks += [asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"{}"))) for _ in range(7)]
    await asyncio.sleep(0)
    gate.opened.set()
    assert await asyncio.gather(*tasks) == list(range(1, 9))
    assert log.batches == 1 + 3


async def test_a_result_that_cannot_be_reported_costs_the_others_nothing(
    writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[object] = []

    def fails(_result: object, _error: object) -> None:
        raise MemoryError

    gate = Gate()
    writer.post(gate.unit, fails)
    await asyncio.to_thread(gate.entered.wait, 20)
    for done in (fails, lambda result, _: reported.append(result)):
        writer.post(lambda _: "done", done)
    gate.opened.set()
    assert await writer.write(lambda _: "next") == "next"
    assert reported == ["done"]
    await settled(writer)
    assert caplog.text.count("a result could not be reported") == 2


async def test_what_waits_behind_a_failure_for_good_gets_the_same_reason(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.log.writer.MAX_BATCH", 1)
    gate = Gate()
    tasks = [asyncio.create_task(writer.write(gate.unit))]
    await asyncio.to_thread(gate.entered.wait, 20)
    tasks += [asyncio.create_task(writer.write(lambda tx: tx.emit(CHANNEL, b"{}"))) for _ in range(3)]
    await asyncio.sleep(0)
    monkeypatch.setattr(Transaction, "commit", commits_and_is_overtaken)
    gate.opened.set()
    first, *rest = await asyncio.gather(*tasks, return_exceptions=True)
    assert first == 1
    assert [type(error) for error in rest] == [LogCutError] * 3
    assert len({str(error) for error in rest}) == 1


def commits_and_is_overtaken(
    tx: Transaction, commit: Callable[[Transaction], list[Entry]] = Transaction.commit
) -> list[Entry]:
    """Commit as ever, in a log that has reached further than it does now."""
    entries = commit(tx)
    tx.seen = 77
    return entries
