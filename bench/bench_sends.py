"""Durable sends: RTM messages acked after commit, in channels of ten members.

SQLite runs with ``synchronous=FULL``, PostgreSQL with ``fsync``.

Each sender has one message on its way. Every member of the channels is connected, so each message is also nine events.
Beside ours run servers written by hand for this one job, in turns: a ratio compares figures of one round. PostgreSQL,
where it is installed, shares a core with the load, and the server has the other.
"""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from socket import socket
from statistics import median
from typing import Any

from bench import loops
from bench.peers import ready_peers
from bench.process import LOAD_CORE, cpu_seconds
from bench.report import Cell, ratio, report
from bench.subject import Subject, commit_seconds, message
from tools.postgres import ADVICE, find_programs, running_cluster

SENDERS = (1, 10, 100)
MEMBERS = 10
SECONDS = 1.5
ROUNDS = 5
TEXT = "A usual message of some eighty characters, as people write them to each other."


@dataclass
class Round:
    """What one server did for as many senders in one round; times in seconds."""

    rate: float
    p50: float
    p99: float
    cpu: float
    busy: float


@dataclass
class Candidate:
    """A server, everybody's connections to it, and its rounds by number of senders."""

    title: str
    subject: Subject
    sockets: Sequence[socket]
    rounds: dict[int, list[Round]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._frames = [
            loops.client_frame(message(self.subject.channel(n // MEMBERS), TEXT)) for n in range(len(self.sockets))
        ]

    def measure(self, senders: int, seconds: float) -> Round:
        """Post for some seconds."""
        loops.keep_alive(self.sockets)
        sockets = self.sockets[: -(-senders // MEMBERS) * MEMBERS]
        used, start = cpu_seconds(self.subject.pid), time.monotonic()
        latencies, busy = loops.post(sockets, self._frames[:senders], others=MEMBERS - 1, seconds=seconds)
        elapsed = time.monotonic() - start
        cpu = cpu_seconds(self.subject.pid) - used
        latencies.sort()
        acked = len(latencies)
        return Round(acked / elapsed, latencies[acked // 2], latencies[acked * 99 // 100], cpu / acked, busy / elapsed)


def main(*, seconds: float = SECONDS, rounds: int = ROUNDS) -> None:
    people = -(-max(SENDERS) // MEMBERS) * MEMBERS
    with ExitStack() as stack:
        candidates: list[Candidate] = []

        def add(title: str, **options: Any) -> None:
            subject = stack.enter_context(Subject(people, MEMBERS, **options))
            sockets = [stack.enter_context(subject.connect(person)) for person in range(people)]
            candidates.append(Candidate(title, subject, sockets))

        add("tautwire")
        if find_programs() is None:
            print(f"sends: PostgreSQL is left out: {ADVICE}")
        else:
            os.sched_setaffinity(0, {LOAD_CORE})  # PostgreSQL inherits it
            add("tautwire on PostgreSQL", database=stack.enter_context(running_cluster()).url())
        for peer in ready_peers("sends"):
            add(peer.title, peer=peer)
        for number in range(1 + rounds):
            for senders in SENDERS:
                for candidate in candidates:
                    measured = candidate.measure(senders, seconds)
                    if number:  # the first round warms up
                        candidate.rounds.setdefault(senders, []).append(measured)
        commit = commit_seconds(candidates[0].subject.data)
    ours = candidates[0]
    rows: list[dict[str, Cell]] = [
        {
            "senders": senders,
            "server": candidate.title,
            "acked/s": median(each.rate for each in measured),
            "rate/ours": ratio([each.rate for each in measured], [each.rate for each in ours.rounds[senders]]),
            "p50 ms": median(each.p50 for each in measured) * 1e3,
            "p99 ms": median(each.p99 for each in measured) * 1e3,
            "us CPU/message": median(each.cpu for each in measured) * 1e6,
            "generator busy": median(each.busy for each in measured),
        }
        for senders in SENDERS
        for candidate in candidates
        for measured in [candidate.rounds[senders]]
    ]
    report(
        "sends",
        f"Durable RTM sends in channels of {MEMBERS}, server on one core, every ack on disk",
        rows,
        loops_in=loops.language(),
        fdatasync_ms=commit * 1e3,
        rounds=rounds,
    )
