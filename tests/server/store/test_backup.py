"""Backup and restore on both databases: what comes back is what was there, and a half of it is never there."""

import asyncio
import os
import random
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from pgproxy import proxied
from stores import Store, change, rows_of

from scene import OpenScene, Scene, TurnedClock, eventually
from tautwire.server.clock import Clock
from tautwire.server.log.epochs import begin_epoch
from tautwire.server.log.tail import read_entries
from tautwire.server.log.writer import Writer
from tautwire.server.services.planting import plant
from tautwire.server.services.seed import SAMPLE
from tautwire.server.store.backup import PART, back_up, restore
from tautwire.server.store.backup_file import Manifest, open_backup
from tautwire.server.store.check import check
from tautwire.server.store.engine import CommitLostError, Engine, Insert, StoreError
from tautwire.server.store.engines import open_engine
from tautwire.server.store.migrations import NEWEST, scripts
from tautwire.server.store.postgres.sessions import PostgresSession
from tautwire.server.store.queries.workspace import find_workspace
from tautwire.server.store.statements import Statements
from tautwire.server.store.tables import PAGE, pages, tables_of
from tools.postgres import Cluster

Tables = dict[str, list[list[object]]]

ROWS = 2 * PAGE + 1


def no_epoch(_: Statements) -> None:
    """Let the restored database be exactly what was backed up."""


def content(engine: Engine) -> Tables:
    """Return all rows of all tables that the database has."""
    with closing(engine.read_session()) as session:
        return {table.name: [row for page in pages(session, table) for row in page] for table in tables_of(NEWEST)}


def catalogue(store: Store, engine: Engine) -> set[str]:
    """Return the names of the tables as the database itself says them."""
    if store.kind == "sqlite":
        rows = rows_of(engine, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    else:
        rows = rows_of(engine, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    return {row[0] for row in rows} - {"schema_version"}


def fill(engine: Engine, rows: int = ROWS) -> None:
    """Store rows in every table: whatever the schema allows, more than two pages."""
    with closing(sqlite3.connect(":memory:")) as schema, closing(engine.session()) as session:
        for script in scripts("sqlite", after=0):
            schema.executescript(script.text)
        session.begin()
        for table in tables_of(NEWEST):
            columns = {row[1]: (row[2], row[3], row[5]) for row in schema.execute(f"PRAGMA table_info({table.name})")}
            parents = {row[3]: row[4] for row in schema.execute(f"PRAGMA foreign_key_list({table.name})")}
            values = [
                [value(number, parents.get(name, name), *columns[name]) for name in table.columns]
                for number in range(rows)
            ]
            session.insert(table.insert, values)
        session.continue_numbers()
        session.commit()


def value(number: int, column: str, kind: str, is_needed: int, key: int) -> object:
    if not is_needed and not key and number % 5 == 0:
        return None
    if kind == "TEXT":
        return f"{column}'\\{{}}\n{number}ä\U0001f642"
    if kind == "BLOB":
        return b"\0\xff%d" % number
    return number if key else number % 2  # truth values are numbers in SQLite


@pytest.fixture(params=["sqlite", "postgres"])
def target(request: pytest.FixtureRequest) -> Store:
    """An empty database into which something is restored."""
    if request.param == "sqlite":
        return Store("sqlite", lambda: "")
    cluster: Cluster = request.getfixturevalue("cluster")
    return Store("postgres", cluster.url)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A backup of the sample workspace."""
    file = tmp_path / "small.bak"
    with closing(open_engine(tmp_path / "small")) as engine:
        begin(engine)
    with closing(open_engine(tmp_path / "small", read_only=True)) as engine:
        back_up(engine, file)
    return file


def begin(engine: Engine) -> None:
    """Begin a workspace as a server does."""

    async def write() -> None:
        writer = Writer(engine, clock=Clock())
        await writer.write(lambda tx: plant(tx, SAMPLE, "sample"))
        await writer.write(begin_epoch)
        await writer.close()

    asyncio.run(write())


def test_every_table_is_backed_up(store: Store, tmp_path: Path) -> None:
    with closing(store.open(tmp_path / "data")) as engine:
        begin(engine)
        known = catalogue(store, engine)

        manifest = back_up(engine, tmp_path / "file")

    assert set(manifest.tables) == known
    assert {table.name for table in tables_of(NEWEST)} == known


def test_what_is_restored_is_what_was_backed_up(store: Store, target: Store, tmp_path: Path) -> None:
    with closing(store.open(tmp_path / "data")) as engine:
        fill(engine)
        before = content(engine)
        manifest = back_up(engine, tmp_path / "file")

    restored, name = restore(tmp_path / "file", tmp_path / "new", target.url(tmp_path / "new"), no_epoch)

    with closing(target.open(tmp_path / "new")) as engine:
        assert engine.name == name
        assert {table: len(rows) for table, rows in before.items()} == dict.fromkeys(before, ROWS)
        assert content(engine) == before
        change(engine, "INSERT INTO epoch (id, start) VALUES ('after', 5)")
        rows = rows_of(engine, "SELECT id FROM epoch ORDER BY number DESC LIMIT 1")
        assert rows == [("after",)], "generated numbers go on"
    assert restored == manifest
    assert (restored.schema, restored.head) == (NEWEST, 0)


def test_a_workspace_moves_there_and_back_and_the_copies_are_alike(tmp_path: Path, cluster: Cluster) -> None:
    places: list[tuple[Path, str | None]] = [(tmp_path / "b", cluster.url()), (tmp_path / "c", None)]
    with closing(open_engine(tmp_path / "a")) as engine:
        begin(engine)
        manifests = [back_up(engine, tmp_path / "0")]
    for number, place in enumerate(places, 1):
        restore(tmp_path / str(number - 1), *place, no_epoch)
        with closing(open_engine(*place, read_only=True)) as engine:
            manifests.append(back_up(engine, tmp_path / str(number)))

    assert manifests[0].tables == manifests[1].tables == manifests[2].tables, "the same rows and checksums"


def test_a_restore_begins_an_epoch_at_the_head_of_the_backup(small: Path, target: Store, tmp_path: Path) -> None:
    manifest, _ = restore(small, tmp_path / "new", target.url(tmp_path / "new"), begin_epoch)

    with closing(target.open(tmp_path / "new")) as engine:
        epochs = rows_of(engine, "SELECT id, start FROM epoch ORDER BY number")
    assert manifest.head > 0
    assert epochs[-2][0] == manifest.epoch
    assert epochs[-1][1] == manifest.head


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_a_backup_of_an_old_version_is_brought_to_the_present(tmp_path: Path, target: Store, version: int) -> None:
    (tmp_path / "old").mkdir()
    with closing(sqlite3.connect(tmp_path / "old" / "tautwire.db")) as old:
        for script in scripts("sqlite", after=0, up_to=version):
            old.executescript(f"{script.text}\nPRAGMA user_version = {script.number};")
        users, column = ("users", "user_id") if version >= 6 else ("user", "user")
        old.execute("INSERT INTO workspace (id, name, domain, created, head) VALUES ('T1', 'n', 'd', 1, 1)")
        old.execute(f"INSERT INTO {users} (id, name, created, updated) VALUES ('U1', 'alice', 1, 1)")
        more, values = (", id, kind, scopes", ", '01', 'user', ''") if version >= 7 else ("", "")
        old.execute(
            f"INSERT INTO token (hash, {column}, origin, created{more}) VALUES (x'01', 'U1', 'seed', 1{values})"
        )
        old.execute("INSERT INTO log (position, kind, topic, payload) VALUES (1, 'event', 'C1', x'7b7d')")
        old.commit()
    with closing(open_engine(tmp_path / "old", read_only=True)) as engine:
        assert back_up(engine, tmp_path / "file").schema == version
        assert engine.schema_version() == version, "a backup changes nothing"

    restore(tmp_path / "file", tmp_path / "new", target.url(tmp_path / "new"), begin_epoch)

    with closing(target.open(tmp_path / "new")) as engine:
        assert rows_of(engine, "SELECT name FROM users") == [("alice",)]
        assert rows_of(engine, "SELECT user_id FROM token") == [("U1",)]
        assert check(engine).problems == []
    assert not (tmp_path / "new" / PART).exists()


def test_a_postgres_of_an_old_version_is_backed_up_as_it_is(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.url("old")
    first = scripts("postgres", after=0)[0]
    cluster.psql("public", "CREATE SCHEMA old")
    cluster.psql("old", f"{first.text}; CREATE TABLE schema_version (version BIGINT NOT NULL)")
    cluster.psql("old", f"INSERT INTO schema_version VALUES ({first.number})")
    cluster.psql("old", "INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 1)")

    with closing(open_engine(tmp_path / "data", url, read_only=True)) as engine:
        manifest = back_up(engine, tmp_path / "file")
        assert engine.schema_version() == first.number

    assert (manifest.schema, manifest.team, manifest.epoch) == (first.number, "T1", "")
    restore(tmp_path / "file", tmp_path / "new", None, begin_epoch)


def test_a_backup_is_private_and_replaces_only_a_backup_and_only_if_wanted(small: Path, tmp_path: Path) -> None:
    mine = tmp_path / "notes"
    mine.write_text("mine")
    empty = tmp_path / "empty"
    empty.touch()
    before = small.read_bytes()
    umask = os.umask(0)
    try:
        with closing(open_engine(tmp_path / "small", read_only=True)) as engine:
            with pytest.raises(StoreError, match=r"small\.bak exists: give another name, or replace it with --force"):
                back_up(engine, small)
            with pytest.raises(StoreError, match="exists"):
                back_up(engine, empty)
            for other in (mine, tmp_path / "small" / "tautwire.db", tmp_path / "small"):
                with pytest.raises(StoreError, match="is not a backup, and --force replaces only backups"):
                    back_up(engine, other, force=True)
            assert (small.read_bytes(), mine.read_text()) == (before, "mine")
            back_up(engine, small, force=True)
            back_up(engine, empty, force=True)
    finally:
        os.umask(umask)
    for file in (small, empty):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        open_backup(file)[0].close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "notes", "small", "small.bak"]


def test_a_file_that_cannot_be_written_is_named(small: Path, tmp_path: Path) -> None:
    with closing(open_engine(tmp_path / "small", read_only=True)) as engine:
        for place in (tmp_path / "none" / "file", small / "file"):
            with pytest.raises(StoreError, match=r"file cannot be written: (No such file|Not a directory)"):
                back_up(engine, place)


def test_a_database_without_a_workspace_is_not_backed_up(store: Store, tmp_path: Path) -> None:
    with (
        closing(store.open(tmp_path / "data")) as engine,
        pytest.raises(StoreError, match=r"there is no workspace in .*: give another --data or --database"),
    ):
        back_up(engine, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, cluster: Cluster) -> None:
    with pytest.raises(
        StoreError, match=r"there is no database .*tautwire\.db: give the data directory of a workspace"
    ):
        open_engine(tmp_path / "none", read_only=True)
    url = cluster.url("nothing")
    with (
        closing(open_engine(tmp_path / "none", url, read_only=True)) as engine,
        pytest.raises(StoreError, match="there is no workspace in PostgreSQL at"),
    ):
        back_up(engine, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []
    assert cluster.psql("public", "SELECT to_regnamespace('nothing') IS NULL") == "t"


def test_a_database_of_a_newer_version_is_not_backed_up(store: Store, cluster: Cluster, tmp_path: Path) -> None:
    with closing(store.open(tmp_path / "data")) as engine:
        begin(engine)
    if store.kind == "sqlite":
        with closing(sqlite3.connect(tmp_path / "data" / "tautwire.db")) as connection:
            connection.execute("PRAGMA user_version = 99")
    else:
        schema = str(store.url(tmp_path / "data")).rpartition("schema=")[2]
        cluster.psql(schema, "UPDATE schema_version SET version = 99")
    with pytest.raises(StoreError, match=f"must be at most {NEWEST}, got 99: start the newer tautwire again"):
        open_engine(tmp_path / "data", store.url(tmp_path / "data"), read_only=True)


async def test_a_backup_under_load_has_all_that_was_acked_before_and_a_whole_log(
    open_scene: OpenScene, store: Store, target: Store, tmp_path: Path
) -> None:
    scene = await open_scene()
    acked: list[str] = []
    is_over = asyncio.Event()

    async def post(who: str) -> None:
        number = 0
        while not is_over.is_set():
            acked.append(await scene.post(who, scene.general, f"{who} {number}" + "x" * 200))
            number += 1

    def take(file: Path) -> Manifest:
        with closing(open_engine(tmp_path / "data", store.url(tmp_path / "data"), read_only=True)) as engine:
            return back_up(engine, file)

    tasks = [asyncio.create_task(post(who)) for who in ("alice", "bob", "relaybot")]
    for number in range(2):
        wanted = len(acked) + 2 * PAGE
        await eventually(lambda wanted=wanted: len(acked) >= wanted)
        before = set(acked)
        file, new = tmp_path / f"file{number}", tmp_path / f"new{number}"
        manifest = await asyncio.to_thread(take, file)
        assert len(acked) > len(before), "posts went on meanwhile"
        await asyncio.to_thread(restore, file, new, target.url(new), begin_epoch)
        with closing(target.open(new)) as engine:
            assert check(engine).problems == []
            stored = {row[0] for row in rows_of(engine, "SELECT ts FROM message WHERE channel = ?", scene.general)}
            assert before <= stored
            with closing(engine.read_session()) as session:
                entries = read_entries(session, after=0, before=manifest.head + 1)
        assert [entry.position for entry in entries] == list(range(1, manifest.head + 1))
    is_over.set()
    await asyncio.gather(*tasks)


async def test_clients_resume_after_a_restore_if_all_they_know_is_in_the_backup(
    open_scene: OpenScene, store: Store, target: Store, tmp_path: Path, clock: TurnedClock
) -> None:
    scene = await open_scene()
    token = scene.tokens["bob"]
    bob = await scene.connect("bob", resume="")
    await scene.post("alice", scene.general, "seen")
    await bob.until(lambda frame: frame.get("text") == "seen")
    early = (await bob.until("position"))["position"]
    await bob.close()
    await scene.post("alice", scene.general, "missed")
    at_backup = (await scene.grant("bob", resume=early))["position"]
    with closing(open_engine(tmp_path / "data", store.url(tmp_path / "data"), read_only=True)) as engine:
        await asyncio.to_thread(back_up, engine, tmp_path / "file")
    bob = await scene.connect("bob", resume=at_backup)
    await scene.post("alice", scene.general, "not in the backup")
    await bob.until(lambda frame: frame.get("text") == "not in the backup")
    late = (await bob.until("position"))["position"]
    await scene.server.stop()
    new = tmp_path / "new"
    await asyncio.to_thread(restore, tmp_path / "file", new, target.url(new), begin_epoch)

    async with Scene.opened(new, clock, seed=None, database=target.url(new)) as restored:
        assert restored.directory.users["bob"]["token"] is None, "there is no tokens.json"
        restored.tokens["bob"] = token
        restored.tokens["alice"] = scene.tokens["alice"]
        for position, outcome in ((early, "resumed"), (at_backup, "resumed"), (late, "resync")):
            assert (await restored.grant("bob", resume=position))["resume"] == outcome
        again = await restored.connect("bob", resume=early)
        assert (await again.until(lambda frame: frame["type"] == "message"))["text"] == "missed"
        for number in range(20):
            await restored.post("alice", restored.general, f"later {number}")
        assert (await restored.grant("bob", resume=late))["resume"] == "resync", "its number is another entry's now"
        texts = [message["text"] for message in await restored.history("bob", restored.general, limit=100)]
        assert texts == [*(f"later {number}" for number in reversed(range(20))), "missed", "seen"]


@pytest.mark.parametrize("length", [0, 1, 50, 99, 100, 4_096, 20_000])
def test_a_backup_that_was_cut_is_refused(small: Path, tmp_path: Path, length: int) -> None:
    small.write_bytes(small.read_bytes()[:length])
    with pytest.raises(StoreError, match=r"small\.bak is (damaged|not a backup)"):
        restore(small, tmp_path / "new", None, begin_epoch)
    assert not (tmp_path / "new").exists()


def test_a_backup_that_lacks_its_last_byte_is_refused(small: Path, tmp_path: Path) -> None:
    small.write_bytes(small.read_bytes()[:-1])
    with pytest.raises(StoreError, match="is damaged"):
        restore(small, tmp_path / "new", None, begin_epoch)


def test_a_damaged_backup_is_refused_or_nothing_of_it_was_hit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with closing(open_engine(tmp_path / "data")) as engine:
        fill(engine, rows=2 * ROWS)  # so that most bytes of the file are rows, not empty pages
        before = content(engine)
        back_up(engine, file)
    whole = file.read_bytes()
    chance = random.Random(7)
    outcomes = {"refused": 0, "whole": 0}
    for number in range(60):
        data = bytearray(whole)
        place = chance.randrange(len(data))
        data[place : place + 4] = bytes(each ^ 0x55 for each in data[place : place + 4])
        file.write_bytes(data)
        new = tmp_path / f"new{number}"
        try:
            restore(file, new, None, no_epoch)
        except StoreError as error:
            outcomes["refused"] += 1
            reason = str(error)
        else:
            outcomes["whole"] += 1
            with closing(open_engine(new)) as engine:
                assert content(engine) == before
            continue
        assert re.search("is damaged|is not a backup|newer tautwire", reason)
        assert not new.exists()
    assert outcomes["refused"] > 20


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UPDATE users SET real_name = 'another' WHERE name = 'alice'", "rows of table users are not the"),
        ("DELETE FROM membership", "0 rows of table membership are not the"),
        ("DELETE FROM backup_manifest", "is damaged"),
        ("UPDATE backup_manifest SET manifest = '{'", "is damaged"),
        ("UPDATE backup_manifest SET manifest = json_remove(manifest, '$.tables.users')", "its tables are"),
        ("UPDATE backup_manifest SET manifest = json_set(manifest, '$.head', 999)", "the head of its log is"),
        ("DROP TABLE reaction", "is damaged"),
        (
            "UPDATE backup_manifest SET manifest = json_set(manifest, '$.format', 2)",
            "the format of the backup .* newer",
        ),
        (
            "UPDATE backup_manifest SET manifest = json_object('format', 2)",
            "the format of the backup .* must be at most 1, got 2: restore it with the newer",
        ),
        (
            "UPDATE backup_manifest SET manifest = json_set(manifest, '$.schema', 99)",
            f"the schema of the backup .* must be at most {NEWEST}, got 99",
        ),
    ],
)
def test_a_backup_that_somebody_changed_is_refused(small: Path, tmp_path: Path, sql: str, reason: str) -> None:
    with closing(sqlite3.connect(small)) as connection:
        connection.execute(sql)
        connection.commit()
    with pytest.raises(StoreError, match=reason):
        restore(small, tmp_path / "new", None, begin_epoch)
    assert not (tmp_path / "new").exists()


def test_other_files_are_refused(small: Path, tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("x" * 1_000)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (a)")
    for file in (text, other, tmp_path / "small" / "tautwire.db"):
        with pytest.raises(StoreError, match="is not a backup of tautwire: give a file that tautwire backup"):
            restore(file, tmp_path / "new", None, begin_epoch)
    for file, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(StoreError, match=f"cannot be read: {reason}"):
            restore(file, tmp_path / "new", None, begin_epoch)


@pytest.mark.parametrize("name", ["tautwire.db", "tautwire.db-wal", "one/tautwire.db"])
def test_a_directory_with_a_database_is_left_alone(small: Path, tmp_path: Path, name: str) -> None:
    new = tmp_path / "new"
    (new / name).parent.mkdir(mode=0o700, parents=True)
    (new / name).write_text("mine")
    with pytest.raises(StoreError, match=rf"needs a data directory without a database, got one with .*{name}: give"):
        restore(small, new, None, begin_epoch)
    assert (new / name).read_text() == "mine"


def test_a_directory_that_a_server_uses_is_left_alone(small: Path, tmp_path: Path) -> None:
    with closing(open_engine(tmp_path / "new")), pytest.raises(StoreError, match="another server uses"):
        restore(small, tmp_path / "new", None, begin_epoch)


def test_a_restore_whose_connection_breaks_stores_nothing_and_says_so(
    small: Path, cluster: Cluster, tmp_path: Path
) -> None:
    with proxied(cluster.url()) as proxy:

        def broken(tx: Statements) -> None:
            proxy.break_all()
            begin_epoch(tx)

        with pytest.raises(
            StoreError, match=r"the restore to PostgreSQL at .* failed, and nothing is stored: the conn"
        ):
            restore(small, tmp_path / "new", proxy.url, broken)
        restore(small, tmp_path / "new", proxy.url, begin_epoch)


def test_a_restore_whose_commit_has_no_answer_says_that_it_may_be_complete(
    small: Path, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: PostgresSession, head: int | None = None) -> None:
        raise CommitLostError("the connection was lost during COMMIT (closed)", "7")

    monkeypatch.setattr(PostgresSession, "commit", lost)
    with pytest.raises(
        StoreError, match=r"has all rows or none: the connection was lost .*; look with tautwire db check"
    ):
        restore(small, tmp_path / "new", cluster.url(), begin_epoch)


def test_tokens_that_are_in_the_directory_stay(small: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    (new / "tokens.json").write_text("{}")
    restore(small, new, None, begin_epoch)
    assert sorted(path.name for path in new.iterdir()) == ["lock", "tautwire.db", "tokens.json"]
    assert stat.S_IMODE((new / "tautwire.db").stat().st_mode) == 0o600


@pytest.mark.only_on("postgres")
def test_a_schema_with_a_workspace_is_left_alone(store: Store, small: Path, tmp_path: Path) -> None:
    with closing(store.open(tmp_path / "data")) as engine:
        fill(engine, 3)
        before = content(engine)
    with pytest.raises(StoreError, match=r"needs an empty schema, and there is a workspace in PostgreSQL at .*schema="):
        restore(small, tmp_path / "data", store.url(tmp_path / "data"), begin_epoch)
    with closing(store.open(tmp_path / "data")) as engine:
        assert content(engine) == before


@pytest.mark.only_on("postgres")
def test_a_schema_with_rows_and_no_workspace_gets_nothing(store: Store, small: Path, tmp_path: Path) -> None:
    with closing(store.open(tmp_path / "data")) as engine:
        change(engine, "INSERT INTO channel_clock (channel, last_ts) VALUES ('C9', '1')")
    with pytest.raises(StoreError, match="needs empty tables, and there are rows in channel_clock: name another"):
        restore(small, tmp_path / "data", store.url(tmp_path / "data"), begin_epoch)
    with closing(store.open(tmp_path / "data")) as engine:
        assert rows_of(engine, "SELECT count(*) FROM users") == [(0,)]


def test_rows_that_contradict_each_other_are_reported_before_a_restore_needs_them(tmp_path: Path) -> None:
    with closing(open_engine(tmp_path / "data")) as engine:
        begin(engine)
    with closing(sqlite3.connect(tmp_path / "data" / "tautwire.db")) as connection:
        connection.execute("DELETE FROM users WHERE name = 'alice'")
        connection.commit()
    with closing(open_engine(tmp_path / "data", read_only=True)) as engine:
        with pytest.raises(
            StoreError, match=r"table (token|membership) cannot be copied \(FOREIGN KEY.*look with tautwire"
        ):
            back_up(engine, tmp_path / "file")
        assert "refers to a row of users that is missing" in " ".join(check(engine).problems)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that takes a while to restore."""
    folder = tmp_path_factory.mktemp("large")
    with closing(open_engine(folder / "data")) as engine:
        begin(engine)
        with closing(engine.session()) as session:
            session.begin()
            columns = ("channel", "ts", "user_id", "in_channel", "body")
            rows = [("C1", f"{number:010}.000000", "U1", True, b"x" * 300) for number in range(40_000)]
            session.insert(Insert("message", columns), rows)
            session.commit()
    with closing(open_engine(folder / "data", read_only=True)) as engine:
        back_up(engine, folder / "file")
    return folder / "file"


def test_a_restore_that_is_killed_leaves_nothing_half(
    large: Path, target: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    new = tmp_path / "new"
    url = target.url(new)
    part = new / PART

    def is_halfway() -> bool:
        return write_transactions(url) > 0 if url else part.exists() and part.stat().st_size > 0

    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "tautwire", "restore", str(large), "--data", str(new)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | {"TAUTWIRE_DATABASE": url or ""},
        )  # fmt: skip
        while not is_halfway() and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        if process.wait() == 0:
            break  # this machine was too busy to see it halfway; the restore is complete
        assert not (new / "tautwire.db").exists()
        if url:
            await_release(url)
            with closing(open_engine(new, url)) as engine:
                assert {name: rows for name, rows in content(engine).items() if rows} == {}
    else:
        assert restore(large, new, url, begin_epoch)[0].tables["message"].rows == 40_000
    with closing(target.open(new)) as engine:
        assert rows_of(engine, "SELECT count(*) FROM message") == [(40_000,)]
        assert not (new / PART).exists()


def write_transactions(url: str) -> int:
    """Return how many processes of ours are writing to a database."""
    plain, _, _ = url.partition("&schema=")
    with psycopg.connect(plain, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tautwire' AND backend_xid IS NOT NULL"
        ).fetchone()
    assert row is not None
    return int(row[0])


def await_release(url: str) -> None:
    """Wait until PostgreSQL has seen the end of the process that was killed."""
    end = time.monotonic() + 30
    while write_transactions(url):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_killed_restore_left_is_removed(small: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir(mode=0o700)
    (new / PART).write_text("half")
    restore(small, new, None, begin_epoch)
    assert sorted(path.name for path in new.iterdir()) == ["lock", "tautwire.db"]


def test_a_backup_of_a_database_after_a_crash_has_what_is_in_its_write_ahead_log(tmp_path: Path) -> None:
    with closing(open_engine(tmp_path / "data")) as engine:
        begin(engine)
        with closing(engine.session()) as session:
            session.begin()
            session.run("INSERT INTO channel_clock (channel, last_ts) VALUES ('C9', '1')")
            session.commit()
            shutil.copytree(tmp_path / "data", tmp_path / "crashed")
    wal = tmp_path / "crashed" / "tautwire.db-wal"
    size = wal.stat().st_size
    assert size > 0
    with closing(open_engine(tmp_path / "crashed", read_only=True)) as engine:
        assert back_up(engine, tmp_path / "file").tables["channel_clock"].rows == 1
    assert wal.stat().st_size == size, "the next start finds the crash and looks the database over"


def test_the_workspace_of_a_backup_is_read_by_the_queries_of_the_server(small: Path) -> None:
    session, manifest = open_backup(small)
    with closing(session):
        row = find_workspace(session)
    assert row is not None
    assert (row["id"], row["head"]) == (manifest.team, manifest.head)
