"""The measurement of the workspace, with tiny counts: it has to work; what it measures is nobody's business here."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the bench package is not installed

from bench.bench_workspace import KINDS, row


@pytest.mark.parametrize("name", KINDS)
def test_a_workspace_is_opened_and_closed(name: str) -> None:
    figures = [value for value in row(name, rounds=2, firsts=1).values() if isinstance(value, float)]

    assert len(figures) == 4
    assert min(figures) > 0
