"""The PostgreSQL adapter: its addresses, its arrays, and what it says when the database cannot be used."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgproxy import Proxy, proxied
from stores import rows_of

from tautwire.protocol.errors import ConfigError
from tautwire.server.store.engine import DisconnectedError, Insert, StatementError, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.migrations import NEWEST
from tautwire.server.store.postgres.address import read_address
from tautwire.server.store.postgres.engine import PostgresEngine
from tautwire.server.store.postgres.values import Array, encode_array, statement
from tools.postgres import Cluster

CLOCK = Insert("channel_clock", ("channel", "last_ts"))


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Proxy]:
    with proxied(cluster.url()) as proxy:
        yield proxy


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (
            "postgresql://me:secret@db.example:5433/chat",
            "PostgreSQL at db.example:5433, database chat, schema tautwire",
        ),
        ("postgres://db.example/chat?schema=two", "PostgreSQL at db.example, database chat, schema two"),
        (
            "postgresql://me@/chat?host=%2Frun%2Fpg&password=secret",
            "PostgreSQL at /run/pg, database chat, schema tautwire",
        ),
        ("postgresql:///chat", "PostgreSQL at localhost, database chat, schema tautwire"),
    ],
)
def test_an_address_is_named_without_its_secrets(url: str, name: str) -> None:
    assert read_address(url).name == name


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@db:port/chat", "postgresql://db/chat?secret=1", "postgresql://[secret/chat"]
)
def test_a_url_that_cannot_be_read_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="it must look like postgresql://") as refused:
        read_address(url)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("schema", ["Upper", "a-b", "1a", "x;drop", "a" * 64])
def test_a_schema_has_a_plain_name(schema: str) -> None:
    with pytest.raises(ConfigError, match="the schema of the database must be lower-case letters"):
        read_address(f"postgresql://db/chat?schema={schema}")


@pytest.mark.parametrize("schema", ["full", "user", "order"])
def test_a_schema_may_be_named_by_a_word_of_sql(cluster: Cluster, tmp_path: Path, schema: str) -> None:
    url = f"{cluster.url().rpartition('schema=')[0]}schema={schema}"
    for _ in range(2):
        with open_engine(tmp_path, url) as engine:
            assert engine.schema_version() == NEWEST


def test_another_kind_of_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a URL that begins with postgresql://, got one with 'mysql'"):
        open_engine(tmp_path, "mysql://me:secret@db/chat")


def test_a_database_that_is_not_there_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"PostgreSQL at .*/none, database chat, schema tautwire cannot be reached"):
        PostgresEngine(f"postgresql://me:secret@/chat?host={tmp_path}/none")


def test_a_wrong_password_or_database_is_said_without_the_password(cluster: Cluster) -> None:
    url = cluster.url().replace("/postgres?", "/nowhere?").replace("tautwire@", "tautwire:secret@")
    with pytest.raises(StoreError, match='database "nowhere" does not exist') as refused:
        PostgresEngine(url)
    assert "secret" not in str(refused.value)


def test_a_database_of_another_encoding_is_refused(cluster: Cluster) -> None:
    cluster.psql("public", "CREATE DATABASE ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    with pytest.raises(StoreError, match="must be UTF8, got SQL_ASCII"):
        PostgresEngine(cluster.url().replace("/postgres?", "/ascii?"))


def test_two_schemas_of_a_database_are_two_workspaces(cluster: Cluster, tmp_path: Path) -> None:
    with PostgresEngine(cluster.url(), tmp_path / "a") as one, PostgresEngine(cluster.url(), tmp_path / "b") as two:
        with closing(one.session()) as session:
            session.begin()
            session.insert(CLOCK, [("C1", "1")])
            session.commit()
        assert rows_of(two, "SELECT * FROM channel_clock") == []


def test_a_workspace_that_another_server_took_while_the_database_was_away_is_left_to_it(
    proxy: Proxy, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tautwire.server.store.postgres.engine.LOCK_INTERVAL", 0.0)
    monkeypatch.setattr("tautwire.server.store.postgres.engine.LOCK_PATIENCE", 0.5)
    with PostgresEngine(proxy.url, tmp_path / "a") as engine:
        assert engine.problem() is None
        proxy.break_all()
        assert engine.problem() is None, "nobody has taken it, so it is taken again"
        proxy.break_all()
        direct = cluster.url(proxy.url.rpartition("schema=")[2])
        thief = None
        while thief is None:
            try:
                thief = PostgresEngine(direct, tmp_path / "b")
            except StoreError:  # the server has not yet seen that the old connection is gone
                continue
        with thief:
            while (problem := engine.problem()) is None:
                time.sleep(0.01)
            assert "another server uses" in problem
        assert engine.problem() is None


def test_text_with_nul_is_stored_with_a_replacement(cluster: Cluster) -> None:
    engine = PostgresEngine(cluster.url())
    with closing(engine.session()) as session:
        session.begin()
        session.insert(CLOCK, [("a\0b", "1")])
        assert session.run("UPDATE channel_clock SET last_ts = ? WHERE channel = ?", "2\0", "a\0b") == 1
        session.commit()
    assert rows_of(engine, "SELECT channel, last_ts FROM channel_clock") == [("a\ufffdb", "2\ufffd")]


def test_half_a_character_is_an_error_of_its_statement(cluster: Cluster) -> None:
    with closing(PostgresEngine(cluster.url()).session()) as session:
        session.begin()
        session.mark()
        with pytest.raises(StatementError):
            session.insert(CLOCK, [("\ud800", "1")])
        session.undo()
        session.release()
        session.commit()


def test_a_read_that_is_interrupted_ends(cluster: Cluster) -> None:
    reading = PostgresEngine(cluster.url()).read_session()
    reading.begin()
    timer = threading.Timer(0.2, reading.interrupt)
    timer.start()
    with pytest.raises(StoreError):
        reading.one("SELECT pg_sleep(60)")
    timer.join()
    with pytest.raises(StoreError):
        reading.begin()
    reading.close()


def test_a_session_whose_server_ended_it_is_disconnected(cluster: Cluster) -> None:
    url = cluster.url()
    with closing(PostgresEngine(url).session()) as session:
        session.begin()
        row = session.one("SELECT pg_backend_pid()")
        assert row is not None
        cluster.psql("public", f"SELECT pg_terminate_backend({row[0]})")
        with pytest.raises(DisconnectedError):  # noqa: PT012 - the first ones may come before the end
            for _ in range(100):
                session.one("SELECT 1")
        assert not session.is_open
        session.rollback()


@pytest.mark.parametrize(
    ("kind", "elements"),
    [
        ("text", st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))),
        ("bytea", st.one_of(st.none(), st.binary())),
        ("bigint", st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
        ("boolean", st.one_of(st.none(), st.booleans())),
    ],
)
def test_arrays_come_back_as_they_were_sent(kind: str, elements: st.SearchStrategy[object], cluster: Cluster) -> None:
    url = cluster.url()
    engine = PostgresEngine(url)
    connection = engine._connect()

    @given(st.lists(elements, min_size=1, max_size=8))
    def check(given_values: list[object]) -> None:
        row = connection.execute("SELECT %b AS sent", [Array(kind, given_values)]).fetchone()
        assert row is not None
        assert row["sent"] == given_values

    try:
        check()
    finally:
        connection.close()


def test_an_array_without_nulls_has_the_head_that_postgres_documents() -> None:
    assert encode_array(Array("bigint", [7])) == (
        b"\0\0\0\1\0\0\0\0\0\0\0\x14\0\0\0\1\0\0\0\1\0\0\0\x08\0\0\0\0\0\0\0\7"
    )


def test_statements_are_translated_once() -> None:
    assert statement("SELECT a FROM b WHERE c LIKE '5%' AND d = ?") == b"SELECT a FROM b WHERE c LIKE '5%%' AND d = %s"
    assert statement("SELECT x") is statement("SELECT x")


def test_what_psycopg_says_of_a_statement_is_cut_to_its_first_line(cluster: Cluster) -> None:
    with closing(PostgresEngine(cluster.url()).session()) as session:
        session.begin()
        session.mark()
        with pytest.raises(StatementError) as refused:
            session.run("INSERT INTO channel_clock VALUES ('secret text', NULL)")
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None, "a log would show the rest"
