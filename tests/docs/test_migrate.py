"""The programs of docs/how-to/migrate do what the pages say: before, on the other library, and after, on ours."""

import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tautwire.testing import BlockingWorkspace
from tests.needs import skip_for

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the conformance package is not installed

from conformance.programs import CLIENTS, Client  # noqa: E402

PAGES = ROOT / "docs" / "how-to" / "migrate"
PATIENCE = 60.0


def programs(language: str) -> dict[str, str]:
    """Return the blocks of a language by page and number."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return {
        f"{page.stem}:{number}": block
        for page in sorted(PAGES.glob("*.md"))
        for number, block in enumerate(fence.findall(page.read_text()), start=1)
    }


IN_PYTHON = programs("python")


class Output:
    """Lines that a program prints, as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._stream = stream
        self._seen: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self._stream:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, beginning: str) -> str:
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self._seen.append(line)
            if line.startswith(beginning):
                return line
        raise AssertionError(f"the program ended without a line {beginning!r}: {self._seen}")


@contextmanager
def running(command: list[str], directory: Path, workspace: BlockingWorkspace) -> Iterator[subprocess.Popen[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    home = {"SLACK_API_URL": workspace.api_url, "SLACK_BOT_TOKEN": workspace.person("bot").token}
    with subprocess.Popen(
        command,
        cwd=directory,
        env=environment | home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def check(command: list[str], directory: Path, workspace: BlockingWorkspace, *, closing: bool = True) -> None:
    """Run a program through what the pages promise: thread reply, reaction, presence, close."""
    alice, general = workspace.person("alice"), workspace.channel("general")
    with running(command, directory, workspace) as process:
        assert process.stdout is not None
        output = Output(process.stdout)
        deadline = time.monotonic() + PATIENCE
        while not workspace.faults.links:
            assert process.poll() is None, output.wait_for("a line that is never printed")
            assert time.monotonic() < deadline, "the program did not connect"
            time.sleep(0.01)
        asked = alice.say("general", "ping")
        pong = general.wait_for("pong", user="bot", within=PATIENCE)
        assert pong.event["thread_ts"] == asked.ts
        assert alice.id in output.wait_for("presence:")
        assert workspace.faults.count("reactions.add") == 1
        alice.say("general", "stop")
        if closing:
            output.wait_for("closed:")
        assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("name", IN_PYTHON)
def test_programs_in_python_do_what_the_page_says(
    name: str, blocking_workspace: BlockingWorkspace, tmp_path: Path
) -> None:
    """rtm_v2 calls no close listener when the program itself closes."""
    program = tmp_path / "bot.py"
    program.write_text(IN_PYTHON[name])

    check([sys.executable, str(program)], tmp_path, blocking_workspace, closing=name != "slack-sdk:1")


def test_each_page_has_its_program_after() -> None:
    pages = [page.stem for page in PAGES.glob("*.md") if page.stem != "README"]

    assert sorted(name.partition(":")[0] for name in IN_PYTHON) == sorted([*pages, "slack-sdk"])


def built(name: str) -> Client:
    """Return another library's client with its dependencies in place; without the tools the test ends."""
    client = next(each for each in CLIENTS if each.name == name)
    skip_for(client.lack())
    client.prepare()
    return client


def compiled(command: list[str], directory: Path) -> None:
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.xdist_group("conformance-builds")
def test_the_program_for_node_runs(blocking_workspace: BlockingWorkspace, tmp_path: Path) -> None:
    modules = built("node_rtm_api").directory / "node_modules"
    (tmp_path / "bot.js").write_text(programs("javascript")["node:1"])
    (tmp_path / "node_modules").symlink_to(modules)

    check(["node", "bot.js"], tmp_path, blocking_workspace)


@pytest.mark.xdist_group("conformance-builds")
def test_the_program_for_go_runs(blocking_workspace: BlockingWorkspace, tmp_path: Path) -> None:
    client = built("go_slack")
    for name in ("go.mod", "go.sum"):
        (tmp_path / name).write_text((client.directory / name).read_text())
    (tmp_path / "main.go").write_text(programs("go")["slack-go:1"])
    compiled(["go", "build", "-buildvcs=false", "-o", "bot", "."], tmp_path)

    check(["./bot"], tmp_path, blocking_workspace)


@pytest.mark.xdist_group("conformance-builds")
def test_the_program_for_java_runs(blocking_workspace: BlockingWorkspace, tmp_path: Path) -> None:
    jars = f"{built('java_slack_api').directory / 'target' / 'lib'}/*"
    (tmp_path / "Bot.java").write_text(programs("java")["java:1"])
    compiled(["javac", "-cp", jars, "Bot.java"], tmp_path)

    check(["java", "-cp", f"{jars}:.", "Bot"], tmp_path, blocking_workspace)
