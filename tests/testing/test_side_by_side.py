"""Tests that run side by side in processes of their own (pytest-xdist) do not meet."""

import json
import os
import subprocess
import sys
from pathlib import Path

SUITE = '''
import json
import os
import time
from pathlib import Path

import pytest

MEETING = Path(os.environ["MEETING"])
ME = os.environ["PYTEST_XDIST_WORKER"]


def meet(name, workspace):
    """Tell where the workspace is, and stay until every worker has one open for the same test."""
    (MEETING / f"{name}.{ME}.part").write_text(json.dumps(workspace.api_url))
    (MEETING / f"{name}.{ME}.part").rename(MEETING / f"{name}.{ME}")
    deadline = time.monotonic() + 30
    while len(list(MEETING.glob(f"{name}.gw?"))) < 2:
        assert time.monotonic() < deadline, "the other worker does not come"
        time.sleep(0.01)


@pytest.mark.parametrize("number", range(3))
async def test_asyncio(workspace, number):
    meet(f"asyncio{number}", workspace)
    await workspace.person("alice").say("general", ME)
    assert (await workspace.channel("general").wait_for(user="alice")).text == ME
    assert workspace.transcript == f"  #general alice: {ME}"


@pytest.mark.parametrize("number", range(3))
def test_blocking(blocking_workspace, number):
    meet(f"blocking{number}", blocking_workspace)
    blocking_workspace.person("alice").say("general", ME)
    assert blocking_workspace.channel("general").wait_for(user="alice").text == ME
    assert blocking_workspace.transcript == f"  #general alice: {ME}"
'''


def test_two_workers_have_workspaces_of_their_own_at_the_same_time(tmp_path: Path) -> None:
    """Each worker runs all tests (``--dist=each``), and each test waits for its double: both are open at once."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")
    meeting, scratch = tmp_path / "meeting", tmp_path / "scratch"
    meeting.mkdir()
    scratch.mkdir()

    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--dist=each", "-p", "no:cacheprovider", "-q"],
        cwd=tmp_path,
        env=os.environ | {"MEETING": str(meeting), "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "12 passed" in finished.stdout
    for number in range(3):
        for kind in ("asyncio", "blocking"):
            urls = [json.loads((meeting / f"{kind}{number}.gw{worker}").read_text()) for worker in (0, 1)]
            assert len(set(urls)) == 2, urls
    assert list(scratch.glob("tautwire-test-*")) == []
