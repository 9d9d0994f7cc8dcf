"""Memory and set-up cost of an idle RTM connection, at 5,000 connections of as many people, beside hand-written peers.

Resident memory of the server process before and after; the kernel's socket buffers are not part of it. Connecting is
``rtm.connect``, the upgrade and ``hello``; the second row of ours is of tokens that the server has seen before.
"""

import resource
import time
from collections.abc import Sequence
from socket import socket

from bench.peers import ready_peers
from bench.process import cpu_seconds, rss
from bench.report import Cell, report
from bench.subject import Subject

CONNECTIONS = 5_000
WARM_UP = 50


def measure(title: str, subject: Subject, people: Sequence[int]) -> tuple[dict[str, Cell], list[socket]]:
    """Connect people one after the other; return a row and the open sockets."""
    before, used, start = rss(subject.pid), cpu_seconds(subject.pid), time.monotonic()
    sockets = [subject.connect(person) for person in people]
    seconds, cpu = time.monotonic() - start, cpu_seconds(subject.pid) - used
    time.sleep(1)
    after = rss(subject.pid)
    row: dict[str, Cell] = {
        "server": title,
        "connections": len(people),
        "KiB RSS/connection": (after - before) / len(people) / 1024,
        "us CPU to connect": cpu / len(people) * 1e6,
        "connects/s": len(people) / seconds,
        "MiB RSS before": before / 2**20,
        "MiB RSS after": after / 2**20,
    }
    return row, sockets


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    if hard < CONNECTIONS + 100:
        print(f"memory: only {hard} open files are allowed, {CONNECTIONS + 100} are needed (ulimit -n)")
        return
    rows: list[dict[str, Cell]] = []
    for peer in (None, *ready_peers("memory")):
        with Subject(CONNECTIONS, 100, peer=peer) as subject:
            warm = [subject.connect(person) for person in range(WARM_UP)]
            time.sleep(1)
            title = peer.title if peer else "tautwire"
            row, sockets = measure(title, subject, range(WARM_UP, CONNECTIONS))
            rows.append(row)
            for sock in (*warm, *sockets):
                sock.close()
            time.sleep(1)
            if peer is None:
                row, sockets = measure(f"{title}, known tokens", subject, range(WARM_UP, CONNECTIONS))
                row["KiB RSS/connection"] = None  # the memory of the first ones is used again
                rows.append(row)
                for sock in sockets:
                    sock.close()
    report(
        "memory", f"An idle RTM connection, at {CONNECTIONS:,} connections of as many people in channels of 100", rows
    )
