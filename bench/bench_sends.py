"""Durable sends: RTM messages acked after commit (SQLite, synchronous=FULL), in channels of ten members.

Each sender has one message on its way. Every member of the channels is connected, so each message is also nine events.
"""

import time
from statistics import median

from bench import loops
from bench.process import cpu_seconds
from bench.report import Cell, report
from bench.subject import Subject, commit_seconds, message

SENDERS = (1, 16, 64, 100)
MEMBERS = 10
SECONDS = 2.0
ROUNDS = 5
TEXT = "A usual message of some eighty characters, as people write them to each other."


def main() -> None:
    people = -(-max(SENDERS) // MEMBERS) * MEMBERS
    rows: list[dict[str, Cell]] = []
    with Subject(people, MEMBERS) as subject:
        everybody = [subject.connect(person) for person in range(people)]
        frames = [loops.client_frame(message(subject.channel(n // MEMBERS), TEXT)) for n in range(people)]
        loops.post(everybody, frames, others=MEMBERS - 1, seconds=0.5)  # warms up
        measured: dict[int, list[tuple[float, float, float, float, float]]] = {senders: [] for senders in SENDERS}
        for _ in range(ROUNDS):
            loops.keep_alive(everybody)
            for senders in SENDERS:
                sockets = everybody[: -(-senders // MEMBERS) * MEMBERS]
                used, start = cpu_seconds(subject.pid), time.monotonic()
                latencies, busy = loops.post(sockets, frames[:senders], others=MEMBERS - 1, seconds=SECONDS)
                elapsed = time.monotonic() - start
                cpu = cpu_seconds(subject.pid) - used
                latencies.sort()
                acked = len(latencies)
                measured[senders].append(
                    (acked / elapsed, latencies[acked // 2], latencies[acked * 99 // 100], cpu / acked, busy / elapsed)
                )
        for sock in everybody:
            sock.close()
        commit = commit_seconds(subject.data)
    for senders in SENDERS:
        rate, p50, p99, cpu, busy = (median(column) for column in zip(*measured[senders], strict=True))
        rows.append(
            {
                "senders": senders,
                "acked/s": rate,
                "p50 ms": p50 * 1e3,
                "p99 ms": p99 * 1e3,
                "us CPU/message": cpu * 1e6,
                "frames out/s": rate * MEMBERS,
                "generator busy": busy,
            }
        )
    report(
        "sends",
        f"Durable RTM sends in channels of {MEMBERS}, server on one core, SQLite synchronous=FULL",
        rows,
        loops_in=loops.language(),
        fdatasync_ms=commit * 1e3,
        rounds=ROUNDS,
    )
