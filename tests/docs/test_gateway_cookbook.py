"""The commands of docs/how-to/gateway/gateway-cookbook.md are those of tests/gateway/programs/test_old_programs.py."""

import re
import shlex
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the conformance package is not installed

from conformance.attached.programs import OLD, Old

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "gateway" / "gateway-cookbook.md"
COMMANDS = re.findall(r"^tautwire gateway run .*-- .*$", PAGE.read_text(), re.MULTILINE)
EXAMPLE = "tautwire gateway run --attach-by names -- ./bot"


def command_of(old: Old) -> str:
    words = ["python" if word == sys.executable else word for word in old.client.command]
    return f"tautwire gateway run {'--attach-by names ' if old.by_names else ''}-- {shlex.join(words)}"


@pytest.mark.parametrize("old", OLD, ids=lambda old: old.client.name)
def test_the_command_of_a_program_is_on_the_page(old: Old) -> None:
    assert command_of(old) in COMMANDS


def test_each_command_of_the_page_is_that_of_a_program() -> None:
    assert set(COMMANDS) == {*map(command_of, OLD), EXAMPLE}
