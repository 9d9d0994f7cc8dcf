"""What pytest finds: the fixtures, the marker, and what is said where something is missing."""

import os
import subprocess
import sys
from pathlib import Path

WITHOUT_SERVER = '''
import sys


class Missing:
    """Finds nothing of the server's libraries, as where they are not installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "uvicorn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing())
'''


def run(directory: Path, suite: str, conftest: str = "") -> str:
    """Run a test suite of a user and return what pytest says."""
    (directory / "test_suite.py").write_text(suite)
    (directory / "conftest.py").write_text(conftest)
    (directory / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-rA"],
        cwd=directory,
        env=os.environ | {"COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return finished.stdout + finished.stderr


def test_a_marker_that_is_wrong_says_what_there_is(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
import pytest

@pytest.mark.workspace(chanels=["ops"])
def test_misspelt(workspace): ...

@pytest.mark.workspace("ops")
def test_positional(blocking_workspace): ...
""",
    )

    choices = "there are people, bots, channels, only, rate_limits"
    assert f"the marker workspace has an unknown argument 'chanels': {choices}" in said
    assert f"the marker workspace takes arguments by name, got 'ops': {choices}" in said
    assert "2 errors" in said
    assert "Traceback" not in said


def test_without_the_server_it_says_what_to_install(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
import pytest

def test_fixture(workspace): ...

def test_import():
    with pytest.raises(ModuleNotFoundError, match=r'pip install "tautwire\\[testing\\]"'):
        import tautwire.testing

def test_others(): ...
""",
        WITHOUT_SERVER,
    )

    assert "2 passed, 1 error" in said
    assert 'tautwire.testing needs the server, which needs uvicorn: pip install "tautwire[testing]"' in said


ONE_FOR_ALL = """
import pytest

@pytest.fixture(scope="session")
def tautwire_session_options():
    return {"channels": ["ops"]}

@pytest.fixture
async def workspace(tautwire_session_workspace):
    await tautwire_session_workspace.reset()
    return tautwire_session_workspace

@pytest.fixture
def blocking_workspace(tautwire_session_blocking_workspace):
    tautwire_session_blocking_workspace.reset()
    return tautwire_session_blocking_workspace
"""


def test_a_workspace_serves_all_tests_of_a_run(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
import pytest

urls = set()

@pytest.mark.parametrize("number", range(3))
async def test_asyncio(workspace, number):
    assert workspace.transcript_json == []
    urls.add(workspace.api_url)
    await workspace.person("alice").say("ops", "hello")

@pytest.mark.parametrize("number", range(3))
def test_blocking(blocking_workspace, number):
    assert blocking_workspace.transcript_json == []
    urls.add(blocking_workspace.api_url)
    blocking_workspace.person("alice").say("ops", "hello")

def test_they_were_two():
    assert len(urls) == 2
""",
        ONE_FOR_ALL,
    )

    assert "7 passed" in said, said


def test_wrong_options_of_the_session_say_what_there_is(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        "def test_it(tautwire_session_workspace): ...",
        "import pytest\n\n@pytest.fixture(scope='session')\ndef tautwire_session_options():\n    return {'x': 1}\n",
    )

    assert "tautwire_session_options has an unknown argument 'x': there are people, bots" in said
