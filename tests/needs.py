"""What some tests need on the machine, and how to say so: without it they are skipped, or fail if all is required."""

import os
import shutil
from pathlib import Path

import pytest

PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
"""Debian keeps daemons where only root's PATH leads."""


def skip_for(lack: str | None) -> None:
    """End the test if something is lacking: skipped, or failed if everything is required."""
    if lack is not None and os.environ.get("REQUIRE") == "all":
        pytest.fail(lack)
    if lack is not None:
        pytest.skip(lack)


def need(command: str, advice: str) -> Path:
    """Return where a command is; without it the test ends."""
    found = shutil.which(command, path=PLACES)
    skip_for(f"{command} was not found: install {advice}" if found is None else None)
    return Path(str(found))
