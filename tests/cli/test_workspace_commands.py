"""``tautwire workspaces``: the commands on a running server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 60


class Server:
    """A server process, and the commands that are run on it."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        command = [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--data", str(data), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.facts: dict[str, Any] = json.loads(self.process.stdout.readline())

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tautwire", "workspaces", *arguments, "--data", str(self.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def ok(self, *arguments: str) -> str:
        finished = self.run(*arguments)
        assert (finished.returncode, finished.stderr) == (0, ""), finished
        return finished.stdout

    def json(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.ok(*arguments, "--json"))
        return answer

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data")
    yield server
    server.stop()


def test_a_workspace_from_its_creation_to_its_end(server: Server, tmp_path: Path) -> None:
    seed = tmp_path / "seed.yaml"
    seed.write_text("users: [{name: ann}]\nchannels: [{name: general}]\n")

    made = server.json("create", "--seed", str(seed), "--name", "trial")
    team = made["workspace"]["id"]
    assert made["users"]["ann"]["token"].startswith("xoxp-")
    shown = server.ok("list")
    assert team in shown
    assert "trial" in shown
    assert "bytes" in server.ok("snapshot", team, "start")
    assert "changes in all: 0" in server.ok("diff", team, "start")
    assert server.json("diff", team)["changes"]["count"] == 0
    assert "goes on at" in server.ok("restore", team, "start")
    assert "goes on at" in server.ok("reset", team)
    assert "deleted" in server.ok("delete", team)
    assert team not in server.ok("list")
    assert "xoxb-" in server.ok("create", "--ephemeral")


def test_what_is_refused_says_so(server: Server, tmp_path: Path) -> None:
    finished = server.run("delete", "T0000000000")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "the server has no workspace" in finished.stderr
    for text in ("users: [", "\x00"):
        (tmp_path / "bad.yaml").write_text(text)
        assert server.run("create", "--seed", str(tmp_path / "bad.yaml")).returncode == 2
    assert server.run("create", "--seed", str(tmp_path / "missing.yaml")).returncode == 2


def test_a_server_without_the_control_api_and_one_that_is_not_there_are_told_apart(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--control", "off")
    try:
        assert server.facts.get("host") is None
        finished = server.run("list")
        assert finished.returncode == 3
        assert "start it with --control on" in finished.stderr
    finally:
        server.stop()
    finished = server.run("list")
    assert finished.returncode == 3
    assert "no server runs on" in finished.stderr
