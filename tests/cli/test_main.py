"""The entry of the command where libraries are missing."""

import subprocess
import sys

import pytest


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as if a module were not installed."""
    program = "import sys; sys.modules[sys.argv.pop(1)] = None; from tautwire.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, module, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("module", ["typer", "uvicorn", "msgspec"])
def test_a_missing_library_is_named_and_where_it_comes_from(module: str) -> None:
    finished = without(module, "serve")

    assert finished.returncode == 1
    assert f"{module} is not installed" in finished.stderr
    assert "tautwire[server]" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_missing_module_of_ours_is_a_defect_and_shows_as_one() -> None:
    finished = without("tautwire.server.app", "serve")

    assert finished.returncode == 1
    assert "Traceback" in finished.stderr
