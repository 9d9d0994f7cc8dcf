"""The store fails at every place in turn: every caller is answered, health tells, and all is well afterwards."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tautwire.server.clock import Clock
from tautwire.server.health import Health
from tautwire.server.log import writer as writer_module
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.transaction import LogCutError, Transaction
from tautwire.server.log.writer import FAULT, Writer
from tautwire.server.store.engine import Insert, StoreError
from tautwire.server.store.sqlite import SqliteEngine

CHANNEL = Topic("C1")
CLOCK = Insert("channel_clock", ("channel", "last_ts"))
PATIENCE = 20.0


class Faults:
    """Which statements fail. ``at`` is the number of the statement that fails, counted from the arming on."""

    def __init__(self) -> None:
        self.count = 0
        self.at: set[int] = set()
        self.verbs: set[str] = set()
        """Statements that begin so fail while they are here."""
        self.connects = False
        self.seen: list[str] = []

    def check(self, sql: str) -> None:
        self.count += 1
        verb = sql.split(maxsplit=1)[0]
        self.seen.append(verb)
        if self.count in self.at or verb in self.verbs:
            raise sqlite3.OperationalError("disk I/O error")

    def arm(self, *at: int) -> None:
        self.count, self.at = 0, set(at)
        self.seen.clear()


FAULTS = Faults()


class FailingConnection(sqlite3.Connection):
    """A connection whose statements fail when ``FAULTS`` says so."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        FAULTS.check(sql)
        return super().execute(sql, *arguments)

    def executemany(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        FAULTS.check(sql)
        return super().executemany(sql, *arguments)


@pytest.fixture(autouse=True)
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    global FAULTS
    FAULTS = Faults()
    connect = sqlite3.connect

    def failing(*arguments: Any, **options: Any) -> sqlite3.Connection:
        if FAULTS.connects:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(*arguments, factory=FailingConnection, **options)

    monkeypatch.setattr("tautwire.server.store.sqlite.sqlite3.connect", failing)
    return FAULTS


class Loop:
    """What reaches the loop: entries, and the reason why the writer broke down."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.broken: list[StoreError] = []
        self.fails = False

    def deliver(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        if self.fails:
            raise MemoryError


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    with SqliteEngine(tmp_path) as database:
        yield database


@pytest.fixture
async def writer(database: SqliteEngine, loop: Loop, health: Health) -> AsyncIterator[Writer]:
    writer = Writer(database, clock=Clock(), deliver=loop.deliver, health=health, broken=loop.broken.append)
    await writer.write(
        lambda tx: tx.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 0)")
    )
    yield writer
    FAULTS.arm()
    FAULTS.verbs.clear()
    await asyncio.wait_for(writer.close(), PATIENCE)


def emit(tx: Transaction) -> int:
    """A unit with every kind of statement in it."""
    tx.insert(CLOCK, (f"C{tx.now}{len(FAULTS.seen)}", "1"))
    tx.one("SELECT 1")
    tx.execute("DELETE FROM channel_clock WHERE channel = 'none'")
    return tx.emit(CHANNEL, b"{}")


def refuse(tx: Transaction) -> None:
    """A unit that has to be undone alone."""
    tx.execute("DELETE FROM channel_clock WHERE channel = 'none'")
    raise KeyError("mine")


async def answers(writer: Writer) -> list[object]:
    """Hand in some units together; return what each of them got. A missing answer is a time-out."""
    tasks = [asyncio.create_task(writer.write(unit)) for unit in (emit, refuse, emit)]
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)


def stored(database: SqliteEngine) -> list[int]:
    connection = database.connect()
    try:
        return [row[0] for row in connection.execute("SELECT position FROM log ORDER BY position")]
    finally:
        connection.close()


def statements() -> int:
    """How many statements the batches of ``answers`` take at most, each unit in a batch of its own."""
    return 40


@pytest.mark.parametrize("also_next", [False, True], ids=["one statement", "and the one after it"])
@pytest.mark.parametrize("number", range(1, statements()))
async def test_whichever_statement_fails_every_caller_is_answered_and_the_next_ones_are_stored(
    writer: Writer, database: SqliteEngine, loop: Loop, health: Health, number: int, also_next: bool
) -> None:
    FAULTS.arm(number, number + 1) if also_next else FAULTS.arm(number)

    results = await answers(writer)

    has_failed = FAULTS.count >= number
    acked = [result for result in results if isinstance(result, int)]
    assert all(isinstance(result, int | KeyError | StoreError) for result in results)
    if not has_failed:
        assert len(acked) == 2
    FAULTS.arm()
    after = await answers(writer)
    assert [type(result) for result in after] == [int, KeyError, int]
    assert health.is_ready
    assert not loop.broken
    positions = [entry.position for entry in loop.entries]
    assert positions == stored(database) == list(range(1, len(positions) + 1))
    assert set(acked) <= set(positions)


async def test_health_is_red_from_a_failed_commit_to_the_next_good_one(writer: Writer, health: Health) -> None:
    FAULTS.verbs.add("COMMIT")

    with pytest.raises(StoreError, match="disk I/O error"):
        await writer.write(emit)
    assert FAULT in health.faults

    FAULTS.verbs.clear()
    await writer.write(emit)
    assert health.is_ready


async def test_a_rollback_that_fails_makes_the_connection_anew(
    writer: Writer, database: SqliteEngine, loop: Loop, health: Health
) -> None:
    FAULTS.verbs |= {"COMMIT", "ROLLBACK"}

    assert [type(result) for result in await answers(writer)] == [StoreError] * 3

    FAULTS.verbs.clear()
    assert [type(result) for result in await answers(writer)] == [int, KeyError, int]
    assert health.is_ready
    assert stored(database) == [entry.position for entry in loop.entries] == [1, 2]


async def test_a_database_that_cannot_be_opened_anew_breaks_the_writer_and_its_owner_is_told(
    writer: Writer, loop: Loop, health: Health
) -> None:
    FAULTS.verbs |= {"COMMIT", "ROLLBACK"}
    FAULTS.connects = True

    assert [type(result) for result in await answers(writer)] == [StoreError] * 3
    FAULTS.verbs.clear()
    FAULTS.connects = False

    with pytest.raises(StoreError, match="restart the server"):
        await asyncio.wait_for(writer.write(emit), PATIENCE)
    assert FAULT in health.faults
    assert len(loop.broken) == 1


async def test_entries_that_cannot_be_delivered_cost_their_callers_no_answer(
    writer: Writer, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.fails = True

    assert [type(result) for result in await answers(writer)] == [int, KeyError, int]
    assert "were not delivered to all" in caplog.text


async def test_a_unit_that_raises_what_ends_programs_ends_nothing(writer: Writer) -> None:
    def quits(_: Transaction) -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match=r"SystemExit\(3\)"):
        await asyncio.wait_for(writer.write(quits), PATIENCE)

    assert await asyncio.wait_for(writer.write(emit), PATIENCE) == 1


@pytest.mark.parametrize(
    ("by", "text"),
    [(1, "the log has reached 2, but entry 2 of the log was deleted"), (-1, "ends at 0 and had reached")],
)
async def test_a_log_that_lost_entries_stops_the_writer(
    writer: Writer, database: SqliteEngine, loop: Loop, health: Health, by: int, text: str
) -> None:
    await writer.write(emit)
    other = database.connect()
    other.execute("UPDATE workspace SET head = head + ?", (by,))
    other.close()

    with pytest.raises(LogCutError, match=text):
        await writer.write(emit)

    assert FAULT in health.faults
    assert [type(error) for error in loop.broken] == [LogCutError]
    assert [entry.position for entry in loop.entries] == [1]


async def test_a_full_disk_is_logged_once_a_second(
    writer: Writer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(writer_module, "monotonic", lambda: now)
    FAULTS.verbs.add("COMMIT")

    for _ in range(20):
        with pytest.raises(StoreError):
            await writer.write(emit)
    now += 1.0
    with pytest.raises(StoreError):
        await writer.write(emit)

    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("a batch")]
    assert lines == [
        "a batch of 1 changes could not be stored",
        "a batch of 1 changes could not be stored (19 more batches since the last such line)",
    ]


async def test_a_stopping_writer_gives_the_disk_one_chance(database: SqliteEngine, loop: Loop) -> None:
    writer = Writer(database, clock=Clock(), deliver=loop.deliver)
    await writer.write(
        lambda tx: tx.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 0)")
    )
    gate = asyncio.Event()
    running = asyncio.get_running_loop()

    def hold(tx: Transaction) -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), running).result()
        emit(tx)

    tasks = [asyncio.create_task(writer.write(unit)) for unit in (hold, *[emit] * 1_000)]
    await asyncio.sleep(0)
    FAULTS.verbs.add("COMMIT")
    FAULTS.arm()
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    gate.set()

    await asyncio.wait_for(closing, PATIENCE)
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)

    assert all(isinstance(result, StoreError) for result in results)
    assert FAULTS.seen.count("COMMIT") <= 2


async def test_a_disk_that_never_answers_does_not_keep_the_writer_from_closing(
    database: SqliteEngine, loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer(database, clock=Clock(), deliver=loop.deliver)
    gate = asyncio.Event()
    running = asyncio.get_running_loop()

    def hang(_: Transaction) -> None:
        asyncio.run_coroutine_threadsafe(gate.wait(), running).result()

    tasks = [asyncio.create_task(writer.write(unit)) for unit in (hang, emit, emit)]
    await asyncio.sleep(0)

    await asyncio.wait_for(writer.close(0.05), PATIENCE)

    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
    assert [str(result) for result in results] == [
        "the server is stopping and the database does not answer; the change may or may not be stored"
    ] * 3
    assert "the database does not answer" in caplog.text
    gate.set()
    await asyncio.to_thread(writer._thread.join, PATIENCE)
    writer._committer.close()
