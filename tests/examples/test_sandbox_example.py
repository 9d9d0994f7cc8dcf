"""The example of a sandbox runs, against our server, as its readers would start it."""

import json
import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "agent_sandbox.py"


def test_an_agent_acts_in_a_sandbox_that_is_compared_and_deleted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--json", "--data", str(tmp_path)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        with server.stdout as line:
            host = json.loads(line.readline())["host"]
        environment = os.environ | {"HOST_URL": host["url"], "HOST_SECRET": host["secret"]}
        finished = subprocess.run(
            [sys.executable, str(EXAMPLE)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.splitlines() == [
            "#incidents agent: The mail server is down since 9:40.",
            "#general agent reacted with :eyes:",
            "passed",
        ]
        assert not [path for path in (tmp_path / "sandboxes").iterdir() if path.is_dir()]
    finally:
        server.terminate()
        server.wait(60)
