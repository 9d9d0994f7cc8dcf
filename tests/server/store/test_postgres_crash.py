"""What the PostgreSQL adapter does after a crash of the database, with a process of it that hangs, and with many files.

The rules for a server with live connections are in test_postgres_outage.
"""

import asyncio
import logging
import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from needs import skip_for
from stores import rows_of

from tautwire.server.store.engine import Insert, StatementError, StoreError
from tautwire.server.store.postgres import engine as postgres
from tautwire.server.store.postgres.engine import PostgresEngine
from tautwire.server.store.postgres.sessions import PostgresReadSession
from tautwire.server.store.reader import Reader
from tools.postgres import ADVICE, Cluster, find_programs, running_cluster

pytestmark = pytest.mark.only_on("sqlite")  # the tests have a PostgreSQL of their own

CLOCK = Insert("channel_clock", ("channel", "last_ts"))
WORKSPACE = "INSERT INTO workspace (id, name, domain, created, head) VALUES ('T1', 'acme', 'acme', 0, 0)"


@pytest.fixture
def doomed() -> Iterator[Cluster]:
    """A PostgreSQL that only this test uses, to kill it."""
    skip_for(ADVICE if find_programs() is None else None)
    with running_cluster() as cluster:
        yield cluster


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Stop processes in their tracks, and let them go on at the end."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def use_transactions(cluster: Cluster, until: int) -> None:
    """Let another application commit transactions until one of them has a number of at least ``until``."""
    while int(cluster.psql("public", "SELECT pg_current_xact_id()")) < until:
        pass


def test_a_transaction_whose_number_another_got_after_a_crash_is_not_stored(doomed: Cluster) -> None:
    url = doomed.url()
    with PostgresEngine(url) as engine, closing(engine.session()) as session:
        session.begin()
        session.run(WORKSPACE)
        session.commit()
        session.begin()
        session.insert(CLOCK, [("C1", "1.000000")])
        transaction = session._transaction

    doomed.kill()
    doomed.start()
    use_transactions(doomed, int(transaction))

    with PostgresEngine(url) as engine:
        assert rows_of(engine, "SELECT 1 FROM channel_clock") == []
        assert not engine.was_committed(transaction)


def test_a_transaction_whose_number_the_database_has_not_given_yet_is_not_stored(doomed: Cluster) -> None:
    with PostgresEngine(doomed.url()) as engine, closing(engine.session()) as session:
        session.begin()
        number = int(session._transaction)
        session.rollback()
        assert not engine.was_committed(str(number + 1_000))


@pytest.mark.parametrize("head", [None, 7])
def test_a_committed_transaction_is_stored_also_when_another_writer_has_gone_on(
    doomed: Cluster, head: int | None
) -> None:
    with PostgresEngine(doomed.url()) as engine, closing(engine.session()) as session:
        session.begin()
        session.run(WORKSPACE)
        session.commit()
        assert engine.was_committed(session._transaction)
        session.begin()
        session.mark()
        session.insert(CLOCK, [("C1", "1.000000")])
        session.release()
        transaction = session._transaction
        session.commit(head)
        assert engine.was_committed(transaction)
        for after in (None, 8):
            session.begin()
            session.commit(after)
            assert engine.was_committed(transaction)


def test_a_lost_hold_is_a_problem_until_it_is_regained(
    doomed: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_PATIENCE", 0.0)
    url = doomed.url()
    with PostgresEngine(url, tmp_path / "first") as first:
        doomed.kill()
        doomed.start()
        with PostgresEngine(url, tmp_path / "second"):
            found = first.problem()
            assert found is not None
            assert "another server uses" in found
            assert first.problem() == found, "also between two checks"


def test_a_hold_is_checked_while_its_backend_hangs(doomed: Cluster, tmp_path: Path) -> None:
    with PostgresEngine(doomed.url(), tmp_path) as engine:
        assert engine._holder is not None
        with frozen(engine._holder.info.backend_pid):
            found: list[str | None] = []
            thread = threading.Thread(target=lambda: found.append(engine.problem()), daemon=True)
            thread.start()
            thread.join(10)
            assert found == [None]


def test_closing_ends_though_the_backends_hang(doomed: Cluster, tmp_path: Path) -> None:
    engine = PostgresEngine(doomed.url(), tmp_path)
    assert engine._holder is not None
    with frozen(engine._holder.info.backend_pid):
        thread = threading.Thread(target=engine.close, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()


async def test_a_reader_closes_though_its_backend_hangs(doomed: Cluster) -> None:
    with PostgresEngine(doomed.url()) as engine:
        reader = Reader(engine, threads=1)
        await reader.read(lambda query: query.one("SELECT 1"))
        (session,) = reader._sessions
        assert isinstance(session, PostgresReadSession)
        with frozen(session._connection.info.backend_pid):
            hanging = asyncio.create_task(reader.read(lambda query: query.one("SELECT 1")))
            await asyncio.sleep(0)
            thread = threading.Thread(target=reader.close, daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()
            with pytest.raises(StoreError):
                await hanging


@contextmanager
def many_files() -> Iterator[None]:
    """Take the numbers of files up to 1,024, as connections of clients do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4_096), hard))
    taken = []
    try:
        while not taken or taken[-1] < 1_100:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_large_batch_is_stored_beside_a_thousand_connections(cluster: Cluster, tmp_path: Path) -> None:
    with many_files(), PostgresEngine(cluster.url(), tmp_path) as engine, closing(engine.session()) as session:
        assert engine.problem() is None
        session.begin()
        session.insert(CLOCK, [(f"C{number}", "x" * 40_000) for number in range(256)])
        session.commit()
        assert rows_of(engine, "SELECT count(*) FROM channel_clock") == [(256,)]


def test_an_error_shows_no_rows_of_users(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    written = " ".join(map(str, range(9)))  # a text that the code does not have: a traceback shows code
    with PostgresEngine(cluster.url()) as engine, closing(engine.session()) as session:
        session.begin()
        try:
            session.run("INSERT INTO channel_clock (channel, last_ts) VALUES (?, ?)", written, None)
        except StatementError:
            logging.getLogger("tautwire").exception("it failed")
        session.rollback()
    assert "it failed" in caplog.text
    assert written not in caplog.text
    caplog.clear()
