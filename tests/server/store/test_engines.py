"""What every database guarantees: one suite, run on each of them."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from stores import Store, rows_of

from tautwire.server.store.engine import Engine, Insert, Session, StatementError, StoreError

pytestmark = pytest.mark.only_on("sqlite", "postgres")

CLOCK = Insert("channel_clock", ("channel", "last_ts"))
MESSAGE = Insert("message", ("channel", "ts", "user_id", "thread_ts", "in_channel", "body", "position"))


@pytest.fixture
def engine(store: Store, tmp_path: Path) -> Iterator[Engine]:
    with closing(store.open(tmp_path)) as engine:
        yield engine


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    with closing(engine.session()) as session:
        session.begin()
        session.run("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 0)")
        session.commit()
        yield session


def clocks(engine: Engine) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in rows_of(engine, "SELECT channel, last_ts FROM channel_clock ORDER BY channel")]


def test_what_a_commit_returned_is_read_by_others(engine: Engine, session: Session) -> None:
    session.begin()
    session.run("INSERT INTO channel_clock VALUES (?, ?)", "C1", "1")
    session.insert(CLOCK, [("C2", "2"), ("C3", "3")])
    assert clocks(engine) == [], "it is not committed yet"
    session.commit(7)

    assert clocks(engine) == [("C1", "1"), ("C2", "2"), ("C3", "3")]
    assert session.begin() == 7
    session.rollback()


def test_a_rollback_leaves_nothing_and_a_second_one_does_no_harm(engine: Engine, session: Session) -> None:
    session.begin()
    session.insert(CLOCK, [("C1", "1")])
    assert session.is_open
    session.rollback()
    session.rollback()

    assert not session.is_open
    assert clocks(engine) == []


def test_rows_keep_their_values_of_every_type(engine: Engine, session: Session) -> None:
    rows = [
        ("C1", "1.000001", "U1", None, True, b'{"text":"\xf0\x9f\x99\x82\\u0000"}', 2**53),
        ("C1", "1.000002", "U'\"\\{},NULL", "1.000001", False, b"\xff\xff\xff\xff\0", None),
        ("C1", "1.000003", "", "", False, b"", 0),
    ]
    session.begin()
    session.insert(MESSAGE, rows)
    session.commit()

    read = rows_of(engine, f"SELECT {', '.join(MESSAGE.columns)} FROM message ORDER BY ts")
    assert [tuple(row) for row in read] == rows
    one = session.one("SELECT ts, body, in_channel FROM message WHERE channel = ? AND NOT in_channel ORDER BY ts", "C1")
    assert one is not None
    assert (one["ts"], one[1], len(one), next(iter(one))) == ("1.000002", b"\xff\xff\xff\xff\0", 3, "1.000002")


@pytest.mark.parametrize(("count", "size"), [(10_000, 1_000), (100_000, 20), (3, 4_000_000)])
def test_a_large_batch_is_stored(engine: Engine, session: Session, count: int, size: int) -> None:
    """More bytes than the buffers of a socket take at once."""
    session.begin()
    session.insert(MESSAGE, [("C1", f"{number:010}", "U1", None, True, b"x" * size, None) for number in range(count)])
    session.commit(1)

    assert rows_of(engine, "SELECT count(*), sum(length(body)) FROM message") == [(count, count * size)]


def test_text_is_ordered_by_its_bytes(engine: Engine, session: Session) -> None:
    names = ["b", "B", "a", "_", "é", "Z", "10", "9", "\U0001f642"]
    session.begin()
    session.insert(CLOCK, [(name, "1") for name in names])
    session.commit()

    assert [name for name, _ in clocks(engine)] == sorted(names)
    assert rows_of(engine, "SELECT max(channel) FROM channel_clock") == [(max(names),)]


@pytest.mark.parametrize(
    ("sql", "arguments"),
    [
        ("INSERT INTO channel_clock VALUES ('C1', '2')", ()),
        ("INSERT INTO channel_clock VALUES ('C2', NULL)", ()),
        ("INSERT INTO nowhere VALUES (1)", ()),
        ("SELECT missing FROM channel_clock", ()),
        ("UPDATE channel_clock SET last_ts = ?", ("\ud800",)),
    ],
    ids=["taken", "null", "no table", "no column", "half a character"],
)
def test_a_statement_that_fails_costs_only_what_was_done_since_the_mark(
    engine: Engine, session: Session, sql: str, arguments: tuple[object, ...]
) -> None:
    session.begin()
    session.insert(CLOCK, [("C1", "1")])
    session.mark()
    session.run("INSERT INTO channel_clock VALUES ('C9', '9')")

    with pytest.raises(StatementError):
        session.run(sql, *arguments)

    assert session.is_open
    session.undo()
    session.run("INSERT INTO channel_clock VALUES ('C2', '2')")
    session.release()
    session.commit()
    assert clocks(engine) == [("C1", "1"), ("C2", "2")]


def test_a_query_that_fails_behind_a_mark_costs_nothing(engine: Engine, session: Session) -> None:
    session.begin()
    session.insert(CLOCK, [("C1", "1")])
    session.mark()
    with pytest.raises(StatementError):
        session.one("SELECT missing FROM channel_clock")
    session.undo()
    session.release()
    assert session.one("SELECT 5 AS five") is not None
    session.commit()

    assert clocks(engine) == [("C1", "1")]


def test_rows_that_cannot_be_inserted_fail_the_transaction_and_the_next_one_is_well(
    engine: Engine, session: Session
) -> None:
    session.begin()
    with pytest.raises((StoreError, StatementError)):  # noqa: PT012 - now or at the commit, as the database likes
        session.insert(CLOCK, [("C1", "1"), ("C1", "2")])
        session.commit()
    session.rollback()

    session.begin()
    session.insert(CLOCK, [("C1", "1")])
    session.commit()
    assert clocks(engine) == [("C1", "1")]


def test_a_transaction_waits_for_the_one_before_it(engine: Engine, session: Session) -> None:
    session.begin()
    heads: list[int] = []

    def second() -> None:
        with closing(engine.session()) as other:
            heads.append(other.begin())
            other.rollback()

    thread = threading.Thread(target=second)
    thread.start()
    thread.join(0.1)
    assert heads == []
    session.commit(3)
    thread.join(10)

    assert heads == [3]


def test_a_read_session_sees_one_state_between_begin_and_end(engine: Engine, session: Session) -> None:
    with closing(engine.read_session()) as reading:
        reading.begin()
        assert reading.all("SELECT channel FROM channel_clock") == []
        session.begin()
        session.insert(CLOCK, [("C1", "1")])
        session.commit()
        assert reading.all("SELECT channel FROM channel_clock") == []
        reading.end()

        reading.begin()
        assert [row["channel"] for row in reading.all("SELECT channel FROM channel_clock")] == ["C1"]
        reading.end()


def test_a_read_session_goes_on_after_a_query_that_failed(engine: Engine, session: Session) -> None:
    with closing(engine.read_session()) as reading:
        reading.begin()
        with pytest.raises(StatementError):
            reading.one("SELECT missing FROM channel_clock")
        reading.end()

        reading.begin()
        row = reading.one("SELECT name FROM workspace")
        reading.end()
    assert row is not None
    assert row["name"] == "n"


def test_a_read_session_changes_nothing(engine: Engine, session: Session) -> None:
    with closing(engine.read_session()) as reading:
        reading.begin()
        with pytest.raises((StatementError, StoreError)):
            reading.all("INSERT INTO channel_clock VALUES ('C1', '1')")
        reading.end()
    assert clocks(engine) == []


def test_a_sound_database_has_no_problem(engine: Engine, session: Session) -> None:
    assert engine.problem() is None


def test_a_workspace_is_served_by_one_server_at_a_time(store: Store, engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="another server uses"):
        store.open(tmp_path)
    engine.close()

    store.open(tmp_path).close()


def test_a_database_that_was_closed_is_opened_with_all_that_it_held(
    store: Store, engine: Engine, session: Session, tmp_path: Path
) -> None:
    session.begin()
    session.insert(CLOCK, [("C1", "1")])
    session.commit(5)
    session.close()
    engine.close()

    with closing(store.open(tmp_path)) as again:
        assert clocks(again) == [("C1", "1")]


def test_the_words_that_differ_between_databases_are_translated(engine: Engine, session: Session) -> None:
    session.begin()
    session.insert(CLOCK, [("C1", "1"), ("C2", "1"), ("50%", "2")])
    session.commit()
    (joined,) = rows_of(engine, "SELECT group_concat(channel) FROM channel_clock WHERE last_ts = ?", "1")[0]
    assert sorted(joined.split(",")) == ["C1", "C2"]
    assert rows_of(engine, "SELECT last_ts FROM channel_clock WHERE channel LIKE '5_%'") == [("2",)]
