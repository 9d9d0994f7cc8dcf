"""What some scenarios need on the machine, and how to say so."""

import os
import shutil
from pathlib import Path

import pytest

PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
"""Debian keeps daemons where only root's PATH leads."""


def need(command: str, advice: str) -> Path:
    """Return where a command is; without it the test is skipped, or fails if everything is required."""
    found = shutil.which(command, path=PLACES)
    if found is not None:
        return Path(found)
    complaint = f"{command} was not found: install {advice}"
    if os.environ.get("REQUIRE") == "all":
        pytest.fail(complaint)
    pytest.skip(complaint)
