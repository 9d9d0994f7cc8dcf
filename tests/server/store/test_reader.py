"""Reads end when the server does, however long they would take."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.queries.workspace import read_head
from tautwire.server.store.reader import Reader
from tautwire.server.store.sqlite import SqliteEngine, SqliteReadSession

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
PATIENCE = 20.0


async def test_a_read_that_takes_for_ever_does_not_keep_the_reader_from_closing(tmp_path: Path) -> None:
    with SqliteEngine(tmp_path) as database:
        reader = Reader(database, threads=1)
        begun = threading.Event()

        def endless(query: Query) -> None:
            begun.set()
            query.one(ENDLESS)

        reads = [asyncio.create_task(reader.read(endless)) for _ in range(3)]
        assert await asyncio.to_thread(begun.wait, PATIENCE)
        (session,) = reader._sessions
        assert isinstance(session, SqliteReadSession)
        while not session.connection.in_transaction:  # noqa: ASYNC110 - nothing reports it
            await asyncio.sleep(0)

        closing = threading.Thread(target=reader.close, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, PATIENCE)

        assert not closing.is_alive()
        results = await asyncio.wait_for(asyncio.gather(*reads, return_exceptions=True), PATIENCE)
        assert all(isinstance(result, StoreError) for result in results)
        with pytest.raises(StoreError, match="the database is closed"):
            await reader.read(read_head)


async def test_readers_that_share_threads_keep_one_connection_each_and_leave_the_threads_to_the_others(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(4) as pool, ExitStack() as stack:
        databases = [stack.enter_context(SqliteEngine(tmp_path / str(number))) for number in range(3)]
        readers = [Reader(database, pool=pool) for database in databases]
        meeting = threading.Barrier(2)
        first = readers[0]
        await asyncio.gather(*(first.read(lambda query: meeting.wait(PATIENCE)) for _ in range(2)))
        assert len(first._sessions) == 1

        first.close()

        assert not first._sessions
        for reader in readers[1:]:
            assert await reader.read(read_head) == 0
            reader.close()


async def test_a_read_of_a_database_that_was_moved_away_makes_no_file_in_its_place(tmp_path: Path) -> None:
    with SqliteEngine(tmp_path) as engine:
        engine.path.rename(tmp_path / "away")
        reader = Reader(engine)
        with pytest.raises(StoreError, match="unable to open database file"):
            await reader.read(read_head)
        assert not engine.path.exists()
        reader.close()
