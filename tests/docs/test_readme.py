"""The README's three starts work as they stand, and what it counts is counted."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from needs import need
from shells import PATIENCE, environment, running

from tautwire.protocol.events import CATALOGUE
from tautwire.server import app  # noqa: F401 - registers the methods
from tautwire.server.web_api.method import METHODS
from tools import events_page

README = (Path(__file__).parents[2] / "README.md").read_text()
PYTHON_BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL_BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8065/"


def test_the_server_the_bot_and_alice_as_one_copies_them(tmp_path: Path) -> None:
    need("curl", "curl")
    serve, bot, ask = SHELL_BLOCKS
    (tmp_path / "bot.py").write_text(PYTHON_BLOCKS[0])
    with running(f"{serve.strip()} --port 0 --json", tmp_path) as server:
        facts = json.loads(next(line for line in server if line.startswith("{")))
        address = facts["api_url"].removesuffix("api/")
        with running(bot.replace(ADDRESS, address), tmp_path):
            assert any("opened" in line for line in server)
            asked = subprocess.run(
                ["bash", "-c", ask.replace(ADDRESS, address)],
                cwd=tmp_path,
                env=environment(),
                capture_output=True,
                timeout=PATIENCE,
                check=True,
            )
            assert json.loads(asked.stdout)["ok"], asked.stdout
            deadline, pause = time.monotonic() + PATIENCE, 0.05
            while "pong" not in said(facts):
                assert time.monotonic() < deadline, said(facts)
                time.sleep(pause)
                pause = min(2 * pause, 1.0)  # the server limits how often it is asked


def said(facts: dict[str, Any]) -> list[str]:
    """Return the texts in #general."""
    request = Request(f"{facts['api_url']}conversations.history?channel={facts['channels']['general']}")  # noqa: S310
    request.add_header("Authorization", f"Bearer {facts['users']['alice']['token']}")
    with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        return [message["text"] for message in json.load(answer)["messages"]]


def test_the_test_passes(tmp_path: Path) -> None:
    (tmp_path / "test_bot.py").write_text(PYTHON_BLOCKS[1])
    (command,) = re.findall(r"run `(pytest [^`]*)`", README)

    finished = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "1 passed" in finished.stdout


@pytest.mark.parametrize(
    ("pattern", "count"),
    [(r"as (\d+) typed classes", len(CATALOGUE)), (r"\*\*tautwire\*\* .*\| (\d+) \| yes", len(METHODS))],
)
def test_the_numbers_are_right(pattern: str, count: int) -> None:
    assert re.findall(pattern, README) == [str(count)]


def test_the_readme_counts_the_types_of_events_that_are_sent() -> None:
    sent, total = events_page.counts()
    assert f"{sent} of {total} documented [types of events]" in README
