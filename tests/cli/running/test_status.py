"""``tautwire status`` on real servers."""

import json
from pathlib import Path

import pytest
from operated import Operated, eventually, operated
from typer.testing import CliRunner

from tautwire import __version__
from tautwire.cli.commands import app
from tautwire.cli.running.status import duration


def test_a_server_tells_how_it_is(tmp_path: Path) -> None:
    with operated(tmp_path / "data") as server:
        server.ok("say", "general", "hello", "--as", "alice")
        shown = server.ok("status")
        (facts,) = json.loads(server.ok("status", "--json"))["workspaces"]

    assert "workspace" in shown
    assert "Acme" in shown
    assert "ready" in shown
    assert "0 RTM, 0 Socket Mode" in shown
    assert facts["version"] == __version__
    assert (facts["ready"], facts["faults"]) == (True, {})
    assert facts["api_url"] == server.facts["api_url"]
    assert facts["team"] == server.facts["team"]
    assert facts["head"] > 0
    assert facts["uptime"] > 0
    assert facts["commits"]["count"] > 0
    assert 0 < facts["commits"]["p50"] <= facts["commits"]["p99"]
    assert facts["connections"] == {"rtm": 0, "socket_mode": 0, "http_apps": 0, "slow": 0, "queued": 0}


def test_a_server_with_a_fault_is_not_ready_and_the_status_is_1(tmp_path: Path) -> None:
    with operated(tmp_path / "data") as server:
        (server.data / "tautwire.db").rename(tmp_path / "gone.db")
        eventually(lambda: server.run("status").returncode == 1, "the lost database is no fault")
        finished = server.run("status")

    assert "NOT READY" in finished.stdout
    assert "FAULT store: " in finished.stdout


def test_all_workspaces_of_a_server_are_shown(tmp_path: Path) -> None:
    (tmp_path / "chat").mkdir()
    for name in ("acme", "beta"):
        with operated(tmp_path / "chat" / name):
            pass
    with operated(tmp_path / "chat", seed=None) as server:
        answer = json.loads(server.ok("status", "--json"))
        shown = server.ok("status")

    assert [Path(each["data"]).name for each in answer["workspaces"]] == ["acme", "beta"]
    assert shown.count("workspace  ") == 2


def test_without_a_server_the_status_is_3(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["status", "--data", str(tmp_path)])

    assert result.exit_code == 3
    assert "no server runs" in result.stderr


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_a_duration_has_two_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_the_server_of_the_tests_ends(tmp_path: Path) -> None:
    server = Operated(tmp_path / "data")

    assert server.stop() == 0
