"""``tautwire backup``, ``restore``, ``db check`` and ``db migrate`` as an operator meets them: real processes."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tautwire.server.store.migrations import NEWEST, scripts
from tools.postgres import Cluster

LIMIT = 200_000
"""Bytes that a file may have in the test of a full disk; the database is larger."""


def tautwire(
    *arguments: object, limit: int | None = None, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; with ``limit``, the files that it writes cannot be larger."""

    def set_limit() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    inherited = dict(os.environ)
    if limit is not None:  # the measurement of coverage writes a file as well, and would fail with a traceback
        inherited = {name: value for name, value in inherited.items() if not name.startswith("COV")}
    return subprocess.run(
        [sys.executable, "-m", "tautwire", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, preexec_fn=set_limit, cwd=cwd,
        env=inherited | environment,
    )  # fmt: skip


@contextmanager
def serving(data: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A server process and what its first line said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--data", str(data), *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def call(facts: dict[str, Any], method: str, **arguments: str) -> dict[str, Any]:
    """Call a method as alice; the answer has to be ok."""
    api = urlsplit(facts["api_url"])
    with closing(HTTPConnection(str(api.hostname), api.port, timeout=30)) as http:
        headers = {
            "Authorization": f"Bearer {facts['users']['alice']['token']}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        http.request("POST", f"/api/{method}", urlencode(arguments), headers)
        answer: dict[str, Any] = json.loads(http.getresponse().read())
    assert answer["ok"], answer
    return answer


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data directory of a server that was stopped."""
    with serving(tmp_path / "data") as (_, facts):
        call(facts, "chat.postMessage", channel=facts["channels"]["general"], text="kept")
    return tmp_path / "data"


def test_a_workspace_moves_to_postgres_and_back_while_its_server_runs(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.url()
    with serving(tmp_path / "a") as (_, facts):
        call(facts, "chat.postMessage", channel=facts["channels"]["general"], text="from SQLite")
        backup = tautwire("backup", tmp_path / "1.bak", "--data", tmp_path / "a")
    assert (backup.returncode, backup.stderr) == (0, "")
    assert f"is backed up to {tmp_path / '1.bak'}" in backup.stdout

    restored = tautwire("restore", tmp_path / "1.bak", "--data", tmp_path / "b", TAUTWIRE_DATABASE=url)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert "is restored to PostgreSQL at" in restored.stdout
    with serving(tmp_path / "b", "--database", url) as (_, elsewhere):
        assert elsewhere["team"] == facts["team"]
        assert elsewhere["users"]["alice"] == {"id": facts["users"]["alice"]["id"], "token": None}
        facts["api_url"] = elsewhere["api_url"]
        call(facts, "chat.postMessage", channel=facts["channels"]["general"], text="from PostgreSQL")
        checked = tautwire("db", "check", "--data", tmp_path / "b", "--database", url, "--json")
        back = tautwire("backup", tmp_path / "2.bak", "--data", tmp_path / "b", "--database", url, "--json")
    assert (checked.returncode, json.loads(checked.stdout)["problems"]) == (0, [])
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["tables"]["message"]["rows"] == 2

    assert tautwire("restore", tmp_path / "2.bak", "--data", tmp_path / "c").returncode == 0
    with serving(tmp_path / "c") as (_, again):
        facts["api_url"] = again["api_url"]
        answer = call(facts, "conversations.history", channel=facts["channels"]["general"])
    assert [message["text"] for message in answer["messages"]] == ["from PostgreSQL", "from SQLite"]


def test_the_result_is_said_as_json_too(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    written = json.loads(tautwire("backup", file, "--data", data, "--json").stdout)
    restored = json.loads(tautwire("restore", file, "--data", tmp_path / "new", "--json").stdout)

    assert written.pop("database") == str(data / "tautwire.db")
    assert restored.pop("database") == str(tmp_path / "new" / "tautwire.db")
    assert written == restored
    assert written["schema"] == NEWEST
    assert written["tables"]["message"]["rows"] == 1


def test_no_secret_leaves_the_database(data: Path, tmp_path: Path) -> None:
    assert tautwire("backup", tmp_path / "file", "--data", data).returncode == 0
    tokens = json.loads((data / "tokens.json").read_text())
    stored = (tmp_path / "file").read_bytes()
    assert tokens
    assert [name for name, token in tokens.items() if token.encode() in stored] == []


def test_a_full_disk_leaves_no_file_and_the_older_backup(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    older = folder / "file"
    assert tautwire("backup", older, "--data", data).returncode == 0
    before = older.read_bytes()
    with closing(sqlite3.connect(data / "tautwire.db")) as connection:
        connection.executemany(
            "INSERT INTO channel_clock (channel, last_ts) VALUES (?, ?)", [(f"C{n}", "x" * 1_000) for n in range(1_000)]
        )
        connection.commit()

    for arguments in ((older, "--force"), (folder / "other",)):
        finished = tautwire("backup", *arguments, "--data", data, limit=LIMIT)
        assert finished.returncode == 1
        assert f"the backup to {arguments[0]} failed: " in finished.stderr
        assert "disk" in finished.stderr
        assert "Traceback" not in finished.stderr
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert older.read_bytes() == before


def test_a_full_disk_leaves_no_half_of_a_restore(data: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data / "tautwire.db")) as connection:
        connection.executemany(
            "INSERT INTO channel_clock (channel, last_ts) VALUES (?, ?)", [(f"C{n}", "x" * 1_000) for n in range(1_000)]
        )
        connection.commit()
    assert tautwire("backup", tmp_path / "file", "--data", data).returncode == 0

    finished = tautwire("restore", tmp_path / "file", "--data", tmp_path / "new", limit=LIMIT)

    assert finished.returncode == 1
    assert f"the restore to {tmp_path / 'new' / 'tautwire.db'} failed, and nothing is stored: " in finished.stderr
    assert "disk" in finished.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]
    assert tautwire("restore", tmp_path / "file", "--data", tmp_path / "new").returncode == 0


def test_the_settings_of_the_server_say_where_the_workspace_is(data: Path, tmp_path: Path) -> None:
    (tmp_path / "tautwire.toml").write_text(f'data = "{data}"\nport = 9\n')

    by_file = tautwire("db", "check", cwd=tmp_path)
    by_variable = tautwire("db", "check", TAUTWIRE_DATA=str(data))
    wrong = tautwire("db", "check", "--data", tmp_path / "none", cwd=tmp_path)
    unknown = tautwire("db", "check", "--data", data, TAUTWIRE_DATABSE="x")

    assert (by_file.returncode, by_variable.returncode) == (0, 0)
    assert f"{data / 'tautwire.db'}: sound" in by_file.stdout
    assert wrong.returncode == 1
    assert f"there is no database {tmp_path / 'none' / 'tautwire.db'}" in wrong.stderr
    assert not (tmp_path / "none").exists()
    assert "did you mean TAUTWIRE_DATABASE?" in unknown.stderr


def test_a_check_that_finds_something_has_status_1(data: Path) -> None:
    with closing(sqlite3.connect(data / "tautwire.db")) as connection:
        connection.execute("DELETE FROM log WHERE position = 2")
        connection.commit()

    shown, as_json = tautwire("db", "check", "--data", data), tautwire("db", "check", "--data", data, "--json")

    assert (shown.returncode, as_json.returncode) == (1, 1)
    assert "problems found\n  - the log lacks 1 entries between 1 and" in shown.stdout
    assert len(json.loads(as_json.stdout)["problems"]) == 1


def test_a_migration_says_from_which_version_to_which(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tautwire.db")) as old:
        for script in scripts("sqlite", after=0, up_to=5):
            old.executescript(f"{script.text}\nPRAGMA user_version = {script.number};")
        old.execute("INSERT INTO workspace (id, name, domain, created) VALUES ('T1', 'n', 'd', 1)")
        old.commit()

    first = tautwire("db", "migrate", "--data", tmp_path)
    second = tautwire("db", "migrate", "--data", tmp_path)
    third = tautwire("db", "migrate", "--data", tmp_path, "--json")

    assert first.stdout == f"{tmp_path / 'tautwire.db'}: the schema was brought from version 5 to {NEWEST}\n"
    assert second.stdout == f"{tmp_path / 'tautwire.db'}: the schema is at version {NEWEST} already\n"
    assert json.loads(third.stdout)["before"] == json.loads(third.stdout)["after"] == NEWEST


def test_a_migration_needs_the_database_for_itself(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.url()
    for data, database in ((tmp_path / "a", []), (tmp_path / "b", ["--database", url])):
        with serving(data, *database):
            beside = tautwire("db", "migrate", "--data", tmp_path / "c" if database else data, *database)
        assert beside.returncode == 1
        assert "another server uses" in beside.stderr


def test_a_migration_makes_no_database(tmp_path: Path, cluster: Cluster) -> None:
    url = cluster.url("never")
    for arguments, reason in (
        ([], "there is no database"),
        (["--database", url], "there is no workspace in PostgreSQL"),
    ):
        finished = tautwire("db", "migrate", "--data", tmp_path / "none", *arguments)
        assert finished.returncode == 1
        assert reason in finished.stderr
    assert list(tmp_path.iterdir()) == []
    assert cluster.psql("public", "SELECT to_regnamespace('never') IS NULL") == "t"


@pytest.mark.parametrize("command", [["backup", "file"], ["restore", "small"], ["db", "check"], ["db", "migrate"]])
def test_a_password_is_not_shown(command: list[str], tmp_path: Path) -> None:
    with serving(tmp_path / "data"):
        assert tautwire("backup", tmp_path / "small", "--data", tmp_path / "data").returncode == 0

    finished = tautwire(*command, cwd=tmp_path, TAUTWIRE_DATABASE="postgresql://me:secret@127.0.0.1:1/chat")

    assert finished.returncode == 1
    assert "PostgreSQL at 127.0.0.1:1, database chat, schema tautwire cannot be reached" in finished.stderr
    assert "secret" not in finished.stdout + finished.stderr


def test_a_wrong_setting_has_status_2(tmp_path: Path) -> None:
    finished = tautwire("db", "check", "--data", tmp_path, "--database", "mysql://me:secret@db/chat")

    assert finished.returncode == 2
    assert "secret" not in finished.stdout + finished.stderr
