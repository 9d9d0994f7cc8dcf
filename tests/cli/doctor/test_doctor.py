"""``tautwire doctor``: what it finds on real machines, servers and fronts."""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from operated import operated
from typer.testing import CliRunner

from tautwire.cli.commands import app
from tautwire.cli.doctor import machine
from tautwire.server.store.migrations import NEWEST, scripts


def examine(*arguments: object) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command; return its status, and the worst finding of each check."""
    result = CliRunner().invoke(app, ["doctor", "--json", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found: dict[str, dict[str, Any]] = {}
    order = ("ok", "warning", "failed")
    for finding in json.loads(result.stdout)["findings"]:
        known = found.get(finding["check"])
        if known is None or order.index(finding["outcome"]) > order.index(known["outcome"]):
            found[finding["check"]] = finding
    return result.exit_code, found


def outcome(found: dict[str, dict[str, Any]], check: str, text: str = "") -> str:
    assert text in found[check]["text"], found[check]
    return str(found[check]["outcome"])


def test_before_the_first_start_nothing_has_to_be_changed(tmp_path: Path) -> None:
    status, found = examine("--data", tmp_path / "data", "--port", 0)

    assert status == 0
    assert outcome(found, "versions", "tautwire ") == "ok"
    assert outcome(found, "data directory", "the first start makes it") == "ok"
    assert outcome(found, "database", "the first start makes it") == "ok"
    assert outcome(found, "port") == "ok"


def test_people_get_a_line_for_each_check(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path / "data"), "--port", "0"])

    assert "ok       versions: tautwire" in result.stdout


def test_a_wrong_setting_ends_with_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--data", str(tmp_path), "--port", "many"])

    assert result.exit_code == 2
    assert "--port" in result.stderr


def test_a_running_server_is_asked(tmp_path: Path) -> None:
    with operated(tmp_path / "data") as server:
        url = server.origin
        status, found = examine("--data", server.data, "--port", url.rpartition(":")[2], "--public-url", url)
        assert outcome(found, "server", "it runs") == "ok"
        assert outcome(found, "database", f"schema {NEWEST}") == "ok"
        assert outcome(found, "front", "leads to the server") == "ok"
        assert outcome(found, "WebSockets") == "ok"
        assert outcome(found, "body size") == "ok"
        assert status == 0

        server.kill()
        server.start("--forwarded-allow-ips", "10.0.0.1")  # what a killed server left is no server
        assert outcome(examine("--data", server.data)[1], "server", "it runs") == "ok"
    status, found = examine("--data", tmp_path / "data", "--port", 0)
    assert (status, "server" in found) == (0, False)


def test_a_fault_of_a_running_server_has_to_be_changed(tmp_path: Path) -> None:
    with operated(tmp_path / "data") as server:
        (server.data / "tautwire.db").rename(tmp_path / "gone.db")
        for _ in range(2_000):
            if server.run("status").returncode == 1:
                break
        status, found = examine("--data", server.data)

    assert status == 1
    assert outcome(found, "server", "fault store") == "failed"


def test_a_port_of_another_program_is_told(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        status, found = examine("--data", tmp_path / "data", "--port", other.getsockname()[1])

    assert status == 1
    assert outcome(found, "port", "Address already in use") == "failed"


def test_a_directory_that_others_can_read_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    assert outcome(examine("--data", tmp_path, "--port", 0)[1], "data directory", "chmod 700") == "warning"


def test_a_file_in_the_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    assert outcome(examine("--data", tmp_path / "data", "--port", 0)[1], "data directory") == "failed"


def test_a_network_file_system_is_found_by_its_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\nnas:/x /srv/the\\040data nfs4 rw 0 0\ntmpfs /srv tmpfs rw 0 0\n")

    assert machine.file_system(Path("/srv/the data/chat"), mounts) == "nfs4"
    assert machine.file_system(Path("/home"), mounts) == "ext4"
    assert machine.file_system(Path("/home"), tmp_path / "none") == ""


def test_a_full_disk_has_to_be_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MIN_FREE", 1 << 60)

    assert outcome(examine("--data", tmp_path, "--port", 0)[1], "disk", "make room") == "failed"


def test_an_old_schema_asks_for_a_backup_first(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tautwire.db")) as old:
        for script in scripts("sqlite", after=0, up_to=NEWEST - 1):
            old.executescript(f"{script.text}\nPRAGMA user_version = {script.number};")

    status, found = examine("--data", tmp_path, "--port", 0)

    assert outcome(found, "database", "take a backup first") == "warning"
    assert status == 0


def test_a_newer_schema_is_told(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "tautwire.db")) as new:
        new.execute("PRAGMA user_version = 99")

    assert outcome(examine("--data", tmp_path, "--port", 0)[1], "database", "start the newer tautwire") == "failed"


def test_a_database_from_the_future_shows_a_clock_that_is_behind(tmp_path: Path) -> None:
    (tmp_path / "tautwire.db").touch()
    os.utime(tmp_path / "tautwire.db", (time.time() + 3_600, time.time() + 3_600))

    assert outcome(examine("--data", tmp_path, "--port", 0)[1], "clock", "the clock is behind") == "failed"


def test_more_connections_than_files_are_told(tmp_path: Path) -> None:
    found = examine("--data", tmp_path, "--port", 0, "--max-connections", 10_000_000)[1]

    assert outcome(found, "descriptors", "--max-connections wants 10,000,000") == "failed"


def test_an_unknown_variable_and_a_wrong_seed_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAUTWIRE_LOG_KEP", "7d")
    (tmp_path / "seed.yaml").write_text("users: 7\n")

    status, found = examine("--data", tmp_path / "data", "--port", 0, "--seed", tmp_path / "seed.yaml")

    assert status == 1
    assert outcome(found, "settings", "TAUTWIRE_LOG_KEEP") == "failed"
    assert outcome(found, "seed") == "failed"


def test_an_address_of_others_without_tls_is_told(tmp_path: Path) -> None:
    assert outcome(examine("--data", tmp_path, "--port", 0, "--host", "0.0.0.0")[1], "front", "TLS") == "warning"


class _Front(BaseHTTPRequestHandler):
    """A proxy that passes no upgrade and refuses large bodies."""

    def do_GET(self) -> None:
        self._answer(200 if self.path == "/healthz" else 404)

    def do_POST(self) -> None:
        self._answer(413 if int(self.headers["Content-Length"]) > 1_048_576 else 200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() - 7_200)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def front() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Front) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_front_that_spoils_something_is_told(tmp_path: Path) -> None:
    with operated(tmp_path / "data") as server, front() as url:
        status, found = examine("--data", server.data, "--public-url", url)

    assert status == 1
    assert outcome(found, "WebSockets", "answered with 404") == "failed"
    assert outcome(found, "body size", "client_max_body_size") == "failed"
    assert outcome(found, "clock", "the front's clock differs by 7") == "failed"  # 7200 s, and what the answer takes


def test_a_front_that_is_not_there_is_told(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        port = gone.getsockname()[1]
    with operated(tmp_path / "data") as server:
        found = examine("--data", server.data, "--public-url", f"http://127.0.0.1:{port}")[1]

    assert outcome(found, "front", "cannot be reached (") == "failed"
