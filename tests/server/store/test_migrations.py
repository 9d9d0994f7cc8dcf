"""The schema: the same on every database, and old databases are brought to it."""

import re
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
from stores import Store, rows_of

from tautwire.server.log.tail import read_entries
from tautwire.server.store import migrations
from tautwire.server.store.engine import StoreError
from tautwire.server.store.migrations import NEWEST, scripts
from tautwire.server.store.postgres.engine import PostgresEngine
from tautwire.server.store.sqlite import SqliteEngine
from tools.postgres import Cluster

TYPES = {"TEXT": {"text"}, "INTEGER": {"bigint", "boolean"}, "BLOB": {"bytea"}}
"""The types of PostgreSQL that stand for those of SQLite, which has no truth values."""
OWN = {"schema_version"}
"""Tables of PostgreSQL alone: SQLite has a number in the head of the file."""

INDEX = "search_index"
"""Tables of SQLite that are one index on PostgreSQL."""

Columns = dict[str, dict[str, str]]


def sqlite_columns(path: Path) -> Columns:
    with SqliteEngine(path) as engine, closing(engine.connect()) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: {row["name"]: row["type"] for row in connection.execute(f"PRAGMA table_info({table})")}
            for table in tables
            if not table.startswith(("sqlite_", INDEX))
        }


def postgres_columns(url: str) -> Columns:
    found: Columns = {}
    engine = PostgresEngine(url)
    rows = rows_of(
        engine,
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = current_schema() ORDER BY ordinal_position",
    )
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return {table: columns for table, columns in found.items() if table not in OWN}


def test_both_databases_have_the_same_tables(cluster: Cluster, tmp_path: Path) -> None:
    sqlite, postgres = sqlite_columns(tmp_path), postgres_columns(cluster.url())

    assert set(sqlite) == set(postgres)
    for table, columns in sqlite.items():
        assert set(columns) == set(postgres[table]), table
        for column, kind in columns.items():
            assert postgres[table][column] in TYPES[kind], (table, column)


def test_both_databases_have_the_same_indexes(cluster: Cluster, tmp_path: Path) -> None:
    with SqliteEngine(tmp_path) as engine, closing(engine.connect()) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
        ours = {row[0] for row in rows}
    theirs = {
        row[0]
        for row in rows_of(
            PostgresEngine(cluster.url()), "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()"
        )
    }
    assert ours <= theirs
    assert {name for name in theirs if not name.endswith(("_pkey", "_key"))} - {INDEX} == ours


def test_the_steps_have_the_same_numbers_and_names_on_both() -> None:
    folder = resources.files(migrations.__package__).joinpath("schema")
    sqlite, postgres = (
        sorted(entry.name for entry in folder.joinpath(each).iterdir()) for each in ("sqlite", "postgres")
    )
    first = int(postgres[0][:4])
    assert [name for name in sqlite if int(name[:4]) >= first] == postgres
    assert [int(name[:4]) for name in sqlite] == list(range(1, NEWEST + 1))


def test_no_name_is_one_that_postgres_reads_as_its_own() -> None:
    """SELECT user is the name of the role there, without an error."""
    for script in scripts("postgres", after=0):
        assert not re.search(r"^\s+(user|current_user|session_user)\b", script.text, re.MULTILINE)
        assert not re.search(r"TABLE user\b", script.text)


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_an_old_database_is_brought_to_the_present_with_its_log(tmp_path: Path, version: int) -> None:
    ts = "1700000000.000001"
    with closing(sqlite3.connect(tmp_path / "tautwire.db")) as old:
        for script in scripts("sqlite", after=0)[:version]:
            old.executescript(f"{script.text}\nPRAGMA user_version = {script.number};")
        names = "users" if version >= 6 else "user"
        column = "user_id" if version >= 6 else "user"
        old.execute("INSERT INTO workspace (id, name, domain, created, head) VALUES ('T1', 'n', 'd', 1, 2)")
        old.execute(f"INSERT INTO {names} (id, name, created, updated) VALUES ('U1', 'alice', 1, 1)")
        old.execute(
            "INSERT INTO channel (id, kind, name, creator, created, updated) VALUES ('C1', 'public', 'c', 'U1', 1, 1)"
        )
        old.execute(f"INSERT INTO membership (channel, {column}, joined) VALUES ('C1', 'U1', 1)")
        old.execute(
            f"INSERT INTO message (channel, ts, {column}, in_channel, body) VALUES ('C1', ?, 'U1', 1, ?)",
            (ts, b'{"type":"message","ts":"%b"}' % ts.encode()),
        )
        old.execute("INSERT INTO log (position, kind, topic, payload) VALUES (1, 'event', 'C1', ?)", (b'{"old":1}',))
        if 3 <= version < 6:  # the log refers to the row of the message
            old.execute("INSERT INTO log (position, kind, topic, payload) VALUES (2, 'message', 'C1', ?)", (ts,))
        else:
            old.execute("INSERT INTO log (position, kind, topic, payload) VALUES (2, 'event', 'C1', ?)", (b"{}",))
        old.commit()

    with SqliteEngine(tmp_path) as engine, closing(engine.read_session()) as session:
        row = session.one("SELECT user_id FROM membership WHERE channel = 'C1'")
        user = session.one("SELECT name FROM users WHERE id = 'U1'")
        entries = read_entries(session, after=0, before=3)
        with closing(engine.connect()) as connection:
            assert tuple(connection.execute("PRAGMA user_version").fetchone()) == (NEWEST,)
    assert row is not None
    assert user is not None
    assert (row["user_id"], user["name"]) == ("U1", "alice")
    assert entries[0].payload == b'{"old":1}'
    if 3 <= version < 6:
        assert entries[1].payload == b'{"type":"message","ts":"%b","channel":"C1","event_ts":"%b"}' % (
            ts.encode(), ts.encode(),
        )  # fmt: skip


def test_a_postgres_of_an_older_version_is_brought_to_the_present(cluster: Cluster) -> None:
    url = cluster.url("older")
    first, *rest = scripts("postgres", after=0)
    cluster.psql("public", "CREATE SCHEMA older")
    cluster.psql("older", f"{first.text}; CREATE TABLE schema_version (version BIGINT NOT NULL)")
    cluster.psql("older", f"INSERT INTO schema_version VALUES ({first.number})")

    engine = PostgresEngine(url)

    assert rows_of(engine, "SELECT version FROM schema_version") == [(NEWEST,)]
    assert len(rest) == NEWEST - first.number


NEW_USER = "INSERT INTO users (id, name, created, updated, bot_id, app_id) VALUES "
NEW_TOKEN = "INSERT INTO token (hash, user_id, origin, created) VALUES "
VERSION_6 = (
    f"{NEW_USER} ('USLACKBOT', 'slackbot', 1, 1, 'B01', 'A00')",
    f"{NEW_USER} ('U1', 'alice', 1, 1, NULL, NULL), ('U2', 'bot', 2, 2, 'B2', 'A2')",
    f"{NEW_TOKEN} ({{first}}, 'U1', 'seed', 3), ({{second}}, 'U2', 'issued', 4)",
)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_bots_of_an_old_database_get_apps_and_tokens_their_kind(kind: str, cluster: Cluster, tmp_path: Path) -> None:
    steps = scripts(kind, after=0)  # type: ignore[arg-type]
    steps = steps[: [step.number for step in steps].index(6) + 1]
    hashes = [(b"\x01\xab" * 16).hex(), (b"\xff\x00" * 16).hex()]
    if kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "tautwire.db")) as old:
            for step in steps:
                old.executescript(f"{step.text}\nPRAGMA user_version = {step.number};")
            for sql in VERSION_6:
                old.execute(sql.format(first=f"x'{hashes[0]}'", second=f"x'{hashes[1]}'"))
            old.commit()
        engine: SqliteEngine | PostgresEngine = SqliteEngine(tmp_path)
    else:
        url = cluster.url()
        schema = url.rpartition("schema=")[2]
        cluster.psql("public", f"CREATE SCHEMA {schema}")
        cluster.psql(schema, "; ".join(step.text for step in steps))
        for sql in VERSION_6:
            cluster.psql(schema, sql.format(first=f"'\\x{hashes[0]}'", second=f"'\\x{hashes[1]}'"))
        cluster.psql(
            schema, "CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (6)"
        )
        engine = PostgresEngine(url)

    with closing(engine):
        found = rows_of(engine, "SELECT id, name, bot_user, client_id, created, deleted FROM app ORDER BY id")
        assert found == [("A2", "bot", "U2", None, 2, None)], "Slackbot is of the workspace and has no app"
        rows = rows_of(
            engine,
            "SELECT hash, id, kind, user_id, app_id, scopes, origin, created, expires, revoked FROM token"
            " ORDER BY created",
        )
    classic = "identify,bot:basic"
    assert rows == [
        (bytes.fromhex(hashes[0]), "01ab01ab01ab01ab", "user", "U1", None, classic, "seed", 3, None, None),
        (bytes.fromhex(hashes[1]), "ff00ff00ff00ff00", "bot", "U2", "A2", classic, "issued", 4, None, None),
    ]


def test_a_database_of_a_newer_version_is_left_alone(store: Store, cluster: Cluster, tmp_path: Path) -> None:
    store.open(tmp_path).close()
    if store.kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "tautwire.db")) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        url = store.url(tmp_path)
        assert url is not None
        cluster.psql(url.rpartition("schema=")[2], "UPDATE schema_version SET version = 99")

    with pytest.raises(StoreError, match=rf"must be at most {NEWEST}, got 99: start the newer tautwire again"):
        store.open(tmp_path)
