"""Batches on a connection that breaks: each is stored once or not at all, and its callers learn which."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest
from pgproxy import Cut, Proxy, proxied
from stores import rows_of

from tautwire.server.clock import Clock
from tautwire.server.health import Health
from tautwire.server.log import committer
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import FAULT, Writer
from tautwire.server.store.engine import Insert, StoreError
from tautwire.server.store.postgres.engine import PostgresEngine
from tools.postgres import Cluster, running_cluster

CHANNEL = Topic("C1")
CLOCK = Insert("channel_clock", ("channel", "last_ts"))
PATIENCE = 30.0


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.url()


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with proxied(url) as proxy:
        yield proxy


@pytest.fixture
def engine(proxy: Proxy, tmp_path: Path) -> Iterator[PostgresEngine]:
    with PostgresEngine(proxy.url, tmp_path) as engine:
        yield engine


class Log:
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def __call__(self, entries: Sequence[Entry]) -> None:
        self.entries += entries

    @property
    def payloads(self) -> list[bytes]:
        return [entry.payload for entry in self.entries]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def health() -> Health:
    return Health()


def found(tx: Transaction) -> None:
    tx.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 0)")


@pytest.fixture
async def writer(engine: PostgresEngine, log: Log, health: Health) -> AsyncIterator[Writer]:
    writer = Writer(engine, clock=Clock(), deliver=log, health=health)
    await writer.write(found)
    yield writer
    await asyncio.wait_for(writer.close(), PATIENCE)


def say(text: bytes) -> Callable[[Transaction], int]:
    def unit(tx: Transaction) -> int:
        tx.one("SELECT 1")  # a round trip of its own
        return tx.emit(CHANNEL, text)

    return unit


async def answers(writer: Writer, *texts: bytes) -> list[object]:
    tasks = [asyncio.create_task(writer.write(say(text))) for text in texts]  # type: ignore[arg-type]
    return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)


@pytest.mark.parametrize("times", [1, 4, 5, 6, 12])
async def test_batches_that_fail_again_and_again_leave_the_connection_of_use(
    writer: Writer, url: str, times: int
) -> None:
    """psycopg prepares a statement when it has run some times. One that is skipped behind another that fails is not
    prepared then, and psycopg takes it for prepared."""

    def twice(tx: Transaction) -> None:
        tx.emit(CHANNEL, b"not stored")
        for _ in range(2):
            tx.insert(CLOCK, ("C1", "1.000001"))

    for _ in range(times):
        with pytest.raises(StoreError):
            await asyncio.wait_for(writer.write(twice), PATIENCE)
    for number in range(8):
        text = b"stored %d" % number
        assert not isinstance((await answers(writer, text))[0], Exception)
    assert stored(url) == [b"stored %d" % number for number in range(8)]


def stored(url: str) -> list[bytes]:
    return [row[0] for row in rows_of(PostgresEngine(url), "SELECT payload FROM log ORDER BY position")]


@pytest.mark.parametrize("cut", ["before", "after"])
@pytest.mark.parametrize("word", [b"BEGIN", b"SAVEPOINT", b"SELECT 1", b"INSERT INTO log", b"COMMIT"])
async def test_a_connection_that_breaks_costs_no_change_and_doubles_none(
    writer: Writer, proxy: Proxy, log: Log, health: Health, url: str, word: bytes, cut: Cut
) -> None:
    await answers(writer, b"0")
    proxy.cut_at(word, cut)

    results = await answers(writer, b"1", b"2", b"3")

    assert proxy.cuts == 1
    assert results == [2, 3, 4]
    assert await answers(writer, b"4") == [5]
    assert log.payloads == stored(url) == [b"0", b"1", b"2", b"3", b"4"]
    assert health.is_ready


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_database_that_stays_away_gets_callers_an_error_and_what_it_stored_is_delivered_later(
    writer: Writer, proxy: Proxy, log: Log, health: Health, url: str, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "RECONNECT_PATIENCE", 0.3)
    monkeypatch.setattr(committer, "SETTLE_PATIENCE", 0.3)
    await answers(writer, b"0")
    proxy.cut_at(b"COMMIT", cut, stays_away=True)

    (unknown,) = await answers(writer, b"1")
    (refused,) = await answers(writer, b"2")

    assert isinstance(unknown, StoreError)
    assert "may or may not be stored" in str(unknown)
    assert isinstance(refused, StoreError)
    assert "cannot be reached" in str(refused)
    assert FAULT in health.faults
    proxy.be_well()
    await answers(writer, b"3")
    assert health.is_ready
    kept = [b"1"] if cut == "after" else []
    assert log.payloads == stored(url) == [b"0", *kept, b"3"]


async def test_a_connection_that_breaks_while_it_is_idle_is_replaced(
    writer: Writer, proxy: Proxy, log: Log, url: str
) -> None:
    for number in range(5):
        proxy.break_all()
        assert await answers(writer, b"%d" % number) == [number + 1]
    assert log.payloads == stored(url)


async def test_a_postgres_that_is_killed_and_started_again_keeps_every_acked_change(tmp_path: Path) -> None:
    with running_cluster() as cluster:
        url = cluster.url()
        with PostgresEngine(url, tmp_path) as engine:
            log = Log()
            writer = Writer(engine, clock=Clock(), deliver=log)
            await writer.write(found)
            acked: dict[int, bytes] = {}
            sent = 0

            async def post_on() -> None:
                nonlocal sent
                while True:
                    sent += 1
                    text = b"%d" % sent
                    with suppress(StoreError):
                        acked[await writer.write(lambda tx, text=text: tx.emit(CHANNEL, text))] = text

            posting = [asyncio.create_task(post_on()) for _ in range(20)]
            for _ in range(3):
                target = len(acked) + 200
                async with asyncio.timeout(60):
                    while len(acked) < target:  # noqa: ASYNC110 - nothing reports it
                        await asyncio.sleep(0.01)
                await asyncio.to_thread(cluster.kill)
                await asyncio.sleep(0.05)
                await asyncio.to_thread(cluster.start)
            target = len(acked) + 200
            async with asyncio.timeout(60):
                while len(acked) < target:  # noqa: ASYNC110 - nothing reports it
                    await asyncio.sleep(0.01)
            for task in posting:
                task.cancel()
            await asyncio.gather(*posting, return_exceptions=True)
            await writer.close()

            kept = stored(url)
            assert log.payloads == kept
            assert len(set(kept)) == len(kept), "nothing is stored twice"
            assert [entry.position for entry in log.entries] == list(range(1, len(kept) + 1))
            assert all(kept[position - 1] == text for position, text in acked.items())


async def test_the_entries_of_another_writer_are_delivered_before_those_that_follow(
    writer: Writer, log: Log, url: str
) -> None:
    await answers(writer, b"1")
    other_log = Log()
    other = Writer(PostgresEngine(url), clock=Clock(), deliver=other_log)
    await other.write(lambda tx: tx.emit(CHANNEL, b"2"))
    await answers(writer, b"3")
    await other.write(lambda tx: tx.emit(CHANNEL, b"4"))
    await writer.write(lambda _: None)  # a look
    await other.close()

    assert log.payloads == [b"1", b"2", b"3", b"4"]
    assert [entry.position for entry in log.entries] == [1, 2, 3, 4]
    assert other_log.payloads == [b"2", b"3", b"4"]


async def test_many_entries_of_another_writer_come_page_by_page(
    writer: Writer, log: Log, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.log.tail.MAX_PAGE", 7)
    await answers(writer, b"1")
    other = Writer(PostgresEngine(url), clock=Clock())
    await other.write(lambda tx: [tx.emit(CHANNEL, b"%d" % number) for number in range(2, 101)] and None)
    await other.close()

    assert await answers(writer, b"101") == [101]
    assert log.payloads == [b"%d" % number for number in range(1, 102)]


async def test_what_another_writer_changed_is_forgotten_by_its_topic(writer: Writer, url: str) -> None:
    def remember(tx: Transaction) -> None:
        for channel in ("C1", "C2"):
            tx.remember("room", channel, "old")

    def recall(tx: Transaction) -> list[object]:
        return [tx.recall("room", channel) for channel in ("C1", "C2")]

    await writer.write(remember)
    other = Writer(PostgresEngine(url), clock=Clock())
    await other.write(lambda tx: tx.note("room", CHANNEL))
    await other.close()

    assert await writer.write(recall) == [None, "old"]
    with closing(PostgresEngine(url).read_session()) as session:
        row = session.one("SELECT kind FROM log")
    assert row is not None
    assert row[0] == "room"
