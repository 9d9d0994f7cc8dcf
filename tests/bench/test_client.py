"""The flood of clients, with tiny counts: it has to work, what it measures is nobody's business here."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the bench package is not installed

from needs import skip_for

from bench import bench_positions, report
from bench.bench_client import flood, load, rows
from bench.bench_decode import FRAMES, MESSAGE
from bench.receivers import RECEIVERS, Receiver

EVENTS = 60
INLINE, COROUTINE = (next(each for each in RECEIVERS if each.command[-1] == kind) for kind in ("inline", "async"))


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """Measurements take this process to one core; take it back."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.mark.timeout(900)  # the first build downloads the client's packages
@pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda receiver: receiver.name)
def test_each_client_has_every_event(receiver: Receiver) -> None:
    lack = receiver.lack()
    skip_for(f"{receiver.title}: {lack}" if lack is not None else None)
    receiver.prepare()

    (candidate,) = flood([(receiver, EVENTS)], load(FRAMES["message with blocks"], 20), warm_up=1, rounds=2)

    assert candidate.running.version
    assert len(candidate.seconds) == len(candidate.cpu) == 2
    assert min(candidate.seconds) > 0


def test_a_ratio_compares_with_ours() -> None:
    table = rows(flood([(INLINE, EVENTS), (COROUTINE, EVENTS)], load(MESSAGE, 20), warm_up=0, rounds=2), 312)

    assert [row["handler"] for row in table] == ["inline", "coroutine, order kept"]
    assert table[0]["time/inline"] == table[1]["time/coroutine"] == 1


def test_a_round_counts_only_if_all_arrived() -> None:
    sent = load(MESSAGE, 20)
    sent.characters += 1

    with pytest.raises(RuntimeError, match="something else than what was sent"):
        flood([(INLINE, EVENTS)], sent, warm_up=0, rounds=1)


def test_the_flood_with_positions_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)

    bench_positions.main(events=1_000, rounds=2, warm_up=1)

    table = json.loads((tmp_path / "positions.json").read_text())["rows"]
    assert [row["events a position"] for row in table] == ["none", 256, 100, 10, 1] * 2
    assert min(row["events/s"] for row in table) > 0
