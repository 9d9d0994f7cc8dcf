"""What the documents say is true: links lead somewhere, generated pages are current, and the code in them runs."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tautwire.testing import BlockingWorkspace

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


PATIENCE = 30.0


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def home(blocking_workspace: BlockingWorkspace) -> dict[str, str]:
    """The environment for a bot of a workspace of its own."""
    return {
        "SLACK_API_URL": blocking_workspace.api_url,
        "SLACK_BOT_TOKEN": blocking_workspace.person("bot").token,
    }


def blocks() -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{number}", code)
        for page in PAGES
        for number, code in enumerate(BLOCK.findall(page.read_text()), start=1)
    ]


BLOCKS = dict(blocks())

BOTS = [
    "README.md:1",
    "docs/client.md:1",
    "docs/tutorials/first-bot.md:1",
    "docs/how-to/bots/many-bots.md:1",
    "docs/how-to/bots/run-as-a-service.md:1",
]
"""What newcomers run first: programs that stay, and answer."""


MIGRATED = [name for name in BLOCKS if name.startswith("docs/how-to/migrate/")]
"""Programs that stay until a person says "stop": test_migrate.py runs them."""


FOLLOWED = [name for name in BLOCKS if name.startswith("docs/how-to/add-a-method.md")]
"""Pieces for files of the project: test_add_a_method.py follows them."""


@pytest.mark.parametrize("name", [name for name in BLOCKS if name not in BOTS + MIGRATED + FOLLOWED])
def test_code_in_the_documents_runs(name: str, home: dict[str, str], tmp_path: Path) -> None:
    """Each block is a program of its own and ends by itself."""
    program = tmp_path / "block.py"
    program.write_text(BLOCKS[name])

    finished = run(str(program), **home)

    assert finished.returncode == 0, f"{name}\n{finished.stdout}{finished.stderr}"


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_in_the_documents_answers_until_it_is_told_to_end(
    name: str, home: dict[str, str], blocking_workspace: BlockingWorkspace, tmp_path: Path
) -> None:
    alice, general = blocking_workspace.person("alice"), blocking_workspace.channel("general")
    program = tmp_path / "bot.py"
    program.write_text(BLOCKS[name])
    with subprocess.Popen([sys.executable, str(program)], env=os.environ | home, stderr=subprocess.PIPE) as bot:
        try:
            assert eventually(lambda: blocking_workspace.faults.links or bot.poll() is not None)
            for _ in range(2):  # also after it lost its connection
                alice.say("general", "ping")
                assert general.wait_for(user="bot", within=PATIENCE).text in ("pong", "ping")
                for link in blocking_workspace.faults.links:
                    link.rst()
            assert bot.poll() is None
            bot.send_signal(signal.SIGINT)
            _, said = bot.communicate(timeout=PATIENCE)
        finally:
            bot.kill()
    assert bot.returncode == 0, said.decode()
    assert b"KeyboardInterrupt" not in said, said.decode()  # a handler may have failed: its connection was reset


CELLS = [
    (f"{page.relative_to(ROOT)}:{number}", code)
    for page in PAGES
    for number, code in enumerate(
        re.findall(r"^```ipython\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL), start=1
    )
]


@pytest.mark.parametrize(("name", "code"), CELLS, ids=[name for name, _ in CELLS])
def test_cells_of_notebooks_run_on_a_loop(name: str, code: str, home: dict[str, str]) -> None:
    """With await outside of functions, as notebooks allow it."""
    program = """
import ast, asyncio, inspect, sys
code = compile(sys.argv[1], sys.argv[2], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
async def main():
    outcome = eval(code, {})
    assert inspect.isawaitable(outcome)
    await outcome
asyncio.run(main())
"""
    finished = run("-c", program, code, name, **home)

    assert finished.returncode == 0, f"{name}\n{finished.stdout}{finished.stderr}"


def eventually(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_links_lead_somewhere() -> None:
    finished = run("-m", "tools.docs_links")

    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize(
    "tool",
    ["methods_table", "events_page", "conformance_table", "monitor_page", "demo_svg", "cli_page", "control_page"],
)
def test_generated_pages_are_current(tool: str) -> None:
    finished = run("-m", f"tools.{tool}", "--check")

    assert finished.returncode == 0, finished.stdout + finished.stderr
