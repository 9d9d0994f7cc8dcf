"""The measurement of growth, with tiny counts: it has to work; what it measures is nobody's business here."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the bench package is not installed

from bench.bench_growth import run
from bench.grown import Size


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """Measurements take this process to one core; take it back."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def test_every_call_and_the_sends_beside_rtm_start_are_measured() -> None:
    sizes = (Size(messages=400, users=5, channels=3), Size(messages=800, users=9, channels=4))
    rows, mixed = run(sizes, most=2, seconds=0.1, clients=(0, 1), posting=0.3)

    for row in rows:
        assert min(float(row["400: ms"] or 0), float(row["800: ms"] or 0)) > 0, row["call"]
    assert [row["clients in rtm.start"] for row in mixed] == [0, 1, 0, 1]
    for row in mixed:
        assert 0 < float(row["send p50 ms"] or 0) <= float(row["send max ms"] or 0)
    assert [row["rtm.start p50 ms"] is None for row in mixed] == [True, False, True, False]
