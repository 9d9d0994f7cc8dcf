"""Whoever follows the page "add a Web API method" in a copy of the project gets a method that all tests accept."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "how-to" / "add-a-method.md").read_text()
ADDED = re.compile(r"^[^\n]*(?:In|At the end of) `([^`\n]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^\.venv/bin/python (.*)$", re.MULTILINE)
COPIED = ("src", "tests/server", "tests/data", "tools", "docs/reference")
SHARED = ("needs.py", "stores.py", "pgproxy.py")
"""Modules that the tests of several folders share."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project with all that the page adds."""
    copy = tmp_path_factory.mktemp("project")
    for folder in COPIED:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "tests/conftest.py", *(f"tests/{name}" for name in SHARED)):
        shutil.copy(ROOT / file, copy / file)
    for name, block in ADDED.findall(TEXT):
        file = copy / name
        before = file.read_text()
        if file.suffix == ".json":
            file.write_text(before.rstrip().removesuffix("]").rstrip() + f",\n  {block}]\n")
        else:
            file.write_text(f"{before}\n\n{block}")
    return copy


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        # One kind of database: what the methods do on both is tested in the project itself.
        env=os.environ | {"PYTHONPATH": str(project / "src"), "PYTHONDONTWRITEBYTECODE": "1", "STORES": "sqlite"},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def test_the_page_adds_to_files_that_exist() -> None:
    names = [name for name, _ in ADDED.findall(TEXT)]

    assert len(names) == 4
    assert [name for name in names if not (ROOT / name).is_file()] == []


def test_the_copy_is_what_runs(project: Path) -> None:
    found = run(project, "-c", "import tautwire; print(tautwire.__file__)")

    assert Path(found.stdout.strip()).is_relative_to(project), found.stderr


@pytest.mark.timeout(450)  # a command runs some hundred tests, in one process
@pytest.mark.parametrize("command", COMMANDS.findall(TEXT))
def test_each_command_of_the_page_succeeds(project: Path, command: str) -> None:
    finished = run(project, *shlex.split(command))

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_page_of_methods_has_the_new_one(project: Path) -> None:
    run(project, "-m", "tools.methods_table")

    assert "### chat.shout\n" in (project / "docs" / "reference" / "methods.md").read_text()


def test_the_code_of_the_page_is_in_the_style_of_the_project(project: Path) -> None:
    names = sorted({name for name, _ in ADDED.findall(TEXT) if name.endswith(".py")})

    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        finished = run(project, "-m", "ruff", *command, *names)
        assert finished.returncode == 0, finished.stdout + finished.stderr
