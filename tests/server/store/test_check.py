"""The check of a database: it is silent about a sound one, and names what is wrong with another."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from stores import Store, change, rows_of

from tautwire.server.clock import Clock
from tautwire.server.log.entry import Topic
from tautwire.server.log.epochs import begin_epoch
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.services.planting import plant
from tautwire.server.services.seed import SAMPLE
from tautwire.server.store.check import check
from tautwire.server.store.engine import Engine
from tautwire.server.store.engines import open_engine
from tautwire.server.store.migrations import NEWEST, scripts
from tautwire.server.store.queries.messages import MESSAGE, MessageRow

TS = [f"1700000000.{number:06}" for number in range(300)]


def post(tx: Transaction) -> None:
    for ts in TS:
        position = tx.emit(Topic("C1"), b"", message=ts)
        tx.insert(MESSAGE, MessageRow("C1", ts, "U1", None, True, b'{"type":"message"}', position))


@pytest.fixture
def engine(store: Store, tmp_path: Path) -> Iterator[Engine]:
    """A workspace with some messages."""
    with closing(store.open(tmp_path)) as engine:

        async def write() -> None:
            writer = Writer(engine, clock=Clock())
            await writer.write(lambda tx: plant(tx, SAMPLE, "sample"))
            await writer.write(begin_epoch)
            await writer.write(post)
            await writer.close()

        asyncio.run(write())
        yield engine


def test_a_sound_database_has_no_problems_and_its_rows_are_counted(engine: Engine) -> None:
    report = check(engine)

    assert report.problems == []
    assert report.database == engine.name
    assert report.schema == NEWEST
    assert report.tables == {table: rows_of(engine, f"SELECT count(*) FROM {table}")[0][0] for table in report.tables}
    assert report.tables["message"] == len(TS)
    assert (report.oldest, report.head) == (1, report.tables["log"])


def test_a_log_whose_old_entries_were_deleted_is_sound(engine: Engine) -> None:
    change(engine, "DELETE FROM log WHERE position <= 50")
    assert (check(engine).oldest, check(engine).problems) == (51, [])

    change(engine, "DELETE FROM log")
    assert (check(engine).oldest, check(engine).problems) == (0, [])


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        (("DELETE FROM log WHERE position IN (100, 101, 200)",), "the log lacks 3 entries .* first is 100"),
        (("DELETE FROM log WHERE position = (SELECT head FROM workspace)",), "the log must end at its head .*, got"),
        (("UPDATE workspace SET head = 10",), "the log must end at its head 10, got"),
        ((f"DELETE FROM message WHERE ts = '{TS[7]}'",), r"entry \d+ of the log refers to a message that is missing"),
        (
            (f"UPDATE message SET position = position + 1 WHERE ts = '{TS[7]}'",),
            f"message {TS[7]} of C1 is not in the log at its position",
        ),
        (
            ("UPDATE log SET kind = 'event', message_ts = NULL WHERE position = 100",),
            r"message .* of C1 is not in the log at its position",
        ),
        (("UPDATE epoch SET start = 100000",), "1 epochs begin beyond the head of the log"),
        (("DELETE FROM workspace",), "there is no workspace in the database: give another --data or --database"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(engine: Engine, sql: tuple[str, ...], problem: str) -> None:
    change(engine, *sql)

    problems = check(engine).problems

    assert problems
    assert any(re.search(problem, each) for each in problems), problems


def test_a_table_that_is_missing_is_named(engine: Engine) -> None:
    change(engine, "DROP TABLE reaction")
    (problem,) = check(engine).problems
    assert "the database cannot be read: " in problem
    assert "reaction" in problem


@pytest.mark.only_on("sqlite")
def test_a_damaged_page_is_found(engine: Engine, tmp_path: Path) -> None:
    engine.close()
    with closing(sqlite3.connect(tmp_path / "tautwire.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'message'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with (tmp_path / "tautwire.db").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)

    problems = check(engine).problems

    assert len(problems) <= 21, "not a line for each of a million"
    assert problems


def test_a_database_of_an_old_version_is_to_be_migrated_first(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tautwire.db")) as old:
        for script in scripts("sqlite", after=0, up_to=5):
            old.executescript(f"{script.text}\nPRAGMA user_version = {script.number};")
    with closing(open_engine(tmp_path, read_only=True)) as engine:
        (problem,) = check(engine).problems
        assert engine.schema_version() == 5, "a check changes nothing"
    assert problem == f"the schema must be {NEWEST}, got 5: bring it to the present with tautwire db migrate"
