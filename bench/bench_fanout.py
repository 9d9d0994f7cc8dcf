"""Fan-out: one message to 1,000 connections, one at a time and in bursts, beside a raw loop in the same run.

What counts is the CPU time of the server for one delivery; rates on a shared machine say less. A message's own price
(decode, check, commit, ack) is part of it. The raw loop sends frames of the same size to as many connections.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from socket import socket
from statistics import median

from bench import loops
from bench.peers import ready_peers
from bench.process import cpu_seconds
from bench.raw import Raw
from bench.report import Cell, report
from bench.subject import Subject, message

CONNECTIONS = 1_000
BURST = 16
ROUNDS = 7
TEXT = (
    "A fairly usual message of a hundred and twenty characters, as people and bots write them to each other in rooms. "
    * 2
)


@dataclass
class Candidate:
    """A server and what was measured of it, a figure for each round."""

    name: str
    pid: int
    sockets: Sequence[socket]
    frame: bytes
    cpu: dict[int, list[float]] = field(default_factory=dict)
    rate: dict[int, list[float]] = field(default_factory=dict)
    busy: dict[int, list[float]] = field(default_factory=dict)

    def measure(self, burst: int, rounds: int) -> None:
        deliveries = len(self.sockets) * burst * rounds
        loops.keep_alive(self.sockets)
        time.sleep(0.1)  # it is not part of what is measured
        used, start = cpu_seconds(self.pid), time.monotonic()
        busy = loops.fan_out(self.sockets, self.frame, burst=burst, rounds=rounds)
        seconds = time.monotonic() - start
        self.cpu.setdefault(burst, []).append((cpu_seconds(self.pid) - used) / deliveries * 1e6)
        self.rate.setdefault(burst, []).append(deliveries / seconds)
        self.busy.setdefault(burst, []).append(busy / seconds)


def close(sockets: Sequence[socket]) -> None:
    for sock in sockets:
        sock.close()


def event_size(receiver: socket, sender: socket, frame: bytes) -> int:
    """Post once; return the size of the payload that another member receives."""
    sender.send(frame)
    received = b""
    receiver.settimeout(5)
    while len(received) < 4 or len(received) < int.from_bytes(received[2:4]) + 4:
        received += receiver.recv(4096)
    receiver.setblocking(False)
    return int.from_bytes(received[2:4])


def members(subject: Subject, frame: bytes, count: int) -> tuple[list[socket], int]:
    """Connect ``count`` people and post once, so that all is loaded; return the sockets and the size of the event."""
    sockets = [subject.connect(person) for person in range(count)]
    size = event_size(sockets[1], sockets[0], frame)
    time.sleep(0.5)
    for sock in (sockets[0], *sockets[2:]):
        sock.recv(4096)
    return sockets, size


def main() -> None:
    with ExitStack() as stack:
        servers = []
        for peer in (None, *ready_peers("fanout")):
            subject = stack.enter_context(Subject(CONNECTIONS, CONNECTIONS, peer=peer))
            frame = loops.client_frame(message(subject.channel(0), TEXT))
            sockets, size = members(subject, frame, CONNECTIONS)
            stack.callback(close, sockets)
            servers.append(Candidate(peer.title if peer else "tautwire", subject.pid, sockets, frame))
            if peer is None:
                our_size = size
        raw = stack.enter_context(Raw(CONNECTIONS, our_size, join=False))
        joined = stack.enter_context(Raw(CONNECTIONS, our_size, join=True))
        candidates = [
            Candidate("raw loop", raw.pid, raw.sockets, servers[0].frame),
            Candidate("raw loop, joining", joined.pid, joined.sockets, servers[0].frame),
            *servers,
        ]
        for number in range(ROUNDS + 1):
            for burst in (1, BURST):
                for candidate in candidates:
                    candidate.measure(burst, 8 if number == 0 else 160 if burst == 1 else 40)
    rows: list[dict[str, Cell]] = []
    for burst in (1, BURST):
        for candidate in candidates:
            cpu = candidate.cpu[burst][1:]  # the first round warms up
            base = candidates[0].cpu[burst][1:]
            ratios = sorted(a / b for a, b in zip(cpu, base, strict=True))
            rows.append(
                {
                    "server": candidate.name,
                    "burst": burst,
                    "us CPU/delivery": median(cpu),
                    "ratio to raw loop": median(ratios),
                    "least": ratios[0],
                    "most": ratios[-1],
                    "deliveries/s": median(candidate.rate[burst][1:]),
                    "generator busy": median(candidate.busy[burst][1:]),
                }
            )
    report(
        "fanout",
        f"Fan-out of one message to {CONNECTIONS:,} connections, one at a time and in bursts of {BURST}",
        rows,
        loops_in=loops.language(),
        event_bytes=our_size,
        rounds=ROUNDS,
    )
