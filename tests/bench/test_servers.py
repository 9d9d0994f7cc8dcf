"""The measurements of servers, with tiny counts: they have to work; what they measure is not tested."""

import json
import os
import select
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the bench package is not installed

from needs import skip_for

from bench import bench_bots, bench_crowd, bench_gateway, bench_taps, loops, report
from bench.peers import PEERS, Peer
from bench.subject import Subject, message


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    """Measurements take this process to one core; take it back."""
    before = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, before)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    return tmp_path


def frames_of(sock: socket, until: bytes) -> bytes:
    received = b""
    while until not in received:
        assert select.select([sock], [], [], 20)[0], received
        received += sock.recv(65_536)
    return received


@pytest.mark.timeout(900)  # the first build downloads and compiles packages
@pytest.mark.parametrize("peer", [None, *PEERS], ids=lambda peer: peer.program.name if peer else "ours")
def test_a_server_acks_and_fans_out(peer: Peer | None) -> None:
    if peer is not None:
        lack = peer.lack()
        skip_for(f"{peer.title}: {lack}" if lack is not None else None)
        peer.prepare()
    with Subject(3, 2, peer=peer) as subject:
        sender, member, stranger = (subject.connect(person) for person in range(3))

        sender.send(loops.client_frame(message(subject.channel(0), "to be stored")))

        assert b'"reply_to":1' in frames_of(sender, b'"ok":true')
        assert b'"to be stored"' in frames_of(member, b'"event_ts"')
        assert not select.select([stranger], [], [], 0)[0]
        for sock in (sender, member, stranger):
            sock.close()


@pytest.mark.timeout(600)
def test_the_crowd_is_measured_plain_and_resumable(results: Path) -> None:
    bench_crowd.main(crowd=20, posts=3, to_all=2, storm=10)

    crowd = json.loads((results / "crowd.json").read_text())
    storm = json.loads((results / "storm.json").read_text())
    assert [row["connections"] for row in crowd["rows"]] == ["plain", "resumable"]
    assert min(row["neighbour's ack p50 ms"] for row in crowd["rows"]) > 0
    assert storm["rows"][0]["seconds until all have all"] > 0


def test_apps_are_measured(results: Path) -> None:
    bench_taps.main(posts=20, singles=3, connections=4, rounds=1)

    (one, ten) = json.loads((results / "taps.json").read_text())["rows"]
    assert (one["apps"], one["posts"], ten["apps"], ten["posts"]) == (1, 20, 10, 20)
    assert one["envelopes/s"] > 0
    assert len(json.loads((results / "taps_latency.json").read_text())["rows"]) == 2
    assert [row["p99 ms"] > 0 for row in json.loads((results / "taps_pace.json").read_text())["rows"]] == [True, True]
    assert [row["burst"] for row in json.loads((results / "taps_fanout.json").read_text())["rows"]] == [1, 1, 16, 16]


def test_the_memory_of_a_gateway_is_measured(results: Path) -> None:
    bench_bots.main(apps=2, connections=2)

    rows = json.loads((results / "bots.json").read_text())["rows"]
    assert [(row["apps"], row["connections"]) for row in rows] == [(1, 0), (1, 2), (2, 0), (2, 4)]
    assert all(row["memory"] > 1 for row in rows)


def test_the_gateway_is_measured(results: Path) -> None:
    bench_gateway.main(seconds=0.2, bots=2, sends=3, crowd=4)

    rows = json.loads((results / "gateway.json").read_text())["rows"]
    assert [row["count"] for row in rows] == [10, 20, 20, 3, 3]
    assert rows[0]["p50"] > 0
