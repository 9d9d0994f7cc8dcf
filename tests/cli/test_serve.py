"""What ``tautwire serve`` prints for a person."""

import json
import subprocess
import sys
from pathlib import Path


def first_lines(data: Path) -> str:
    """Start a server on a data directory and return what it prints until it is ready."""
    command = [sys.executable, "-m", "tautwire", "serve", "--port", "0", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("Point a bot at it"):
                    return "".join(lines)
        finally:
            process.kill()
    raise AssertionError(f"the server ended: {lines}")


def test_the_file_of_tokens_is_named_while_it_is_there(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.json"

    assert str(tokens) in first_lines(tmp_path)
    assert tokens.exists()
    tokens.unlink()
    assert str(tokens) not in first_lines(tmp_path)


def test_the_control_api_of_the_sample_is_named_and_its_secret_stays_in_its_file(tmp_path: Path) -> None:
    printed = first_lines(tmp_path)  # the server was killed, so its file is still there
    secret = json.loads((tmp_path / "control.json").read_bytes())["secret"]

    assert "/_control/v1/, secret in " + str(tmp_path / "control.json") in printed
    assert secret not in printed
