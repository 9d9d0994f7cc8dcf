"""The examples run, against our server, as their readers would start them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tautwire.testing import BlockingWorkspace

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_example_runs_to_its_end(example: Path, blocking_workspace: BlockingWorkspace) -> None:
    environment = os.environ | {
        "SLACK_API_URL": blocking_workspace.api_url,
        "SLACK_BOT_TOKEN": blocking_workspace.person("bot").token,
    }

    finished = subprocess.run(
        [sys.executable, str(example)], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert finished.stderr == ""
    assert "error:" not in finished.stdout
    for shown in (
        "connected as bot",
        '"type":"hello"',
        "stored at",
        "active",
        "closed: replaced",
        "closed: closed by us\n",
    ):
        assert shown in finished.stdout
    assert blocking_workspace.channel("general").wait_for("Hello from RTM", user="bot")
