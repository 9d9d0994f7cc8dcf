"""The programs of docs/how-to/migrate do what the pages say: before, on the other library, and after, on ours."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tautwire.testing import BlockingWorkspace
from tests.docs.bot import PATIENCE, Bot
from tests.needs import skip_for

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # the conformance package is not installed

from conformance.programs import CLIENTS, Client  # noqa: E402

PAGES = ROOT / "docs" / "how-to" / "migrate"


def programs(language: str) -> dict[str, str]:
    """Return the blocks of a language by page and number."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return {
        f"{page.stem}:{number}": block
        for page in sorted(PAGES.glob("*.md"))
        for number, block in enumerate(fence.findall(page.read_text()), start=1)
    }


IN_PYTHON = programs("python")


def check(program: Path | list[str], directory: Path, workspace: BlockingWorkspace, *, closing: bool = True) -> None:
    """Run a program through what the pages promise: thread reply, reaction, presence, close."""
    alice, general = workspace.person("alice"), workspace.channel("general")
    bot = Bot(program, workspace, directory=directory)
    try:
        asked = alice.say("general", "ping")
        assert general.wait_for("pong", user="bot", within=PATIENCE).event["thread_ts"] == asked.ts
        assert alice.id in bot.wait_for("presence:")
        assert workspace.faults.count("reactions.add") == 1
        alice.say("general", "stop")
        if closing:
            bot.wait_for("closed:")
        assert bot.ended() == 0
    finally:
        bot.close()


@pytest.mark.parametrize("name", IN_PYTHON)
def test_programs_in_python_do_what_the_page_says(
    name: str, blocking_workspace: BlockingWorkspace, tmp_path: Path
) -> None:
    """rtm_v2 calls no close listener when the program itself closes."""
    program = tmp_path / "bot.py"
    program.write_text(IN_PYTHON[name])

    check(program, tmp_path, blocking_workspace, closing=name != "slack-sdk:1")


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
