"""What the documents say is true: links lead somewhere, generated pages are current, and the code in them runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment for a bot of a server of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--log-level", "warning", "--data",
         str(tmp_path_factory.mktemp("data"))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        directory = json.loads(process.stdout.readline())
        yield {"SLACK_API_URL": directory["api_url"], "SLACK_BOT_TOKEN": directory["users"]["relaybot"]["token"]}
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def blocks() -> list[tuple[str, str]]:
    return [
        (f"{page.relative_to(ROOT)}:{number}", code)
        for page in PAGES
        for number, code in enumerate(BLOCK.findall(page.read_text()), start=1)
    ]


@pytest.mark.parametrize(("name", "code"), blocks(), ids=[name for name, _ in blocks()])
def test_code_in_the_documents_runs(name: str, code: str, server: dict[str, str], tmp_path: Path) -> None:
    """Each block is a program of its own and ends by itself."""
    program = tmp_path / "block.py"
    program.write_text(code)

    finished = run(str(program), **server)

    assert finished.returncode == 0, f"{name}\n{finished.stdout}{finished.stderr}"


def test_links_lead_somewhere() -> None:
    finished = run("-m", "tools.docs_links")

    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("tool", ["methods_table", "events_page", "conformance_table"])
def test_generated_pages_are_current(tool: str) -> None:
    finished = run("-m", f"tools.{tool}", "--check")

    assert finished.returncode == 0, finished.stdout + finished.stderr
