"""The measurement of the page, with tiny counts: it has to work; what it measures is not tested."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the bench package is not installed

from needs import skip_for

from bench import bench_page, report


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """Measurements take this process to one core; take it back."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


def test_the_page_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    is_there = shutil.which("chromium") or shutil.which("google-chrome")
    skip_for(None if is_there else "chromium was not found: install the Debian package chromium")
    monkeypatch.setattr(report, "RESULTS", tmp_path)

    bench_page.main(rounds=1, messages=100, steps=5, rate=300, seconds=0.5)

    found = json.loads((tmp_path / "page.json").read_text())
    assert [row["what"] for row in found["rows"]] == ["first paint", "scrolling, a frame", "300 frames/s, a frame"]
    assert min(row["p50 ms"] for row in found["rows"]) > 0
    assert found["facts"]["shown_frames"] > 0
