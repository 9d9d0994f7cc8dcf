"""The tests that the how-to page shows are collected and pass, as in the suite of a reader."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "bots" / "test-your-bot.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTINGS = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run(directory: Path) -> str:
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-rA"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return finished.stdout + finished.stderr


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    """With the page's settings; once with a workspace for each test, once with its conftest."""
    page = PAGE.read_text()
    blocks = BLOCK.findall(page)
    suites = [block for block in blocks if "def test_" in block]
    (conftest,) = (block for block in blocks if "tautwire_session_options" in block)
    (settings,) = SETTINGS.findall(page)
    (tmp_path / "pyproject.toml").write_text(settings)
    for number, suite in enumerate(suites):
        (tmp_path / f"test_{number}.py").write_text(suite)
    count = sum(suite.count("def test_") for suite in suites)
    assert count >= 10

    said = run(tmp_path)
    assert f"{count} passed" in said, said
    (tmp_path / "conftest.py").write_text(conftest)
    said = run(tmp_path)
    assert f"{count} passed" in said, said
