"""Memory and set-up cost of an idle RTM connection, at 5,000 connections of as many people.

Resident memory of the server process before and after; the kernel's socket buffers are not part of it.
"""

import resource
import time

from bench.process import cpu_seconds, rss
from bench.report import report
from bench.subject import Subject

CONNECTIONS = 5_000


def main() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the server inherits it
    if hard < CONNECTIONS + 100:
        print(f"memory: only {hard} open files are allowed, {CONNECTIONS + 100} are needed (ulimit -n)")
        return
    with Subject(CONNECTIONS, 100) as subject:
        warm = [subject.connect(person) for person in range(50)]
        time.sleep(1)
        before, used, start = rss(subject.pid), cpu_seconds(subject.pid), time.monotonic()
        sockets = [subject.connect(person) for person in range(50, CONNECTIONS)]
        seconds, cpu = time.monotonic() - start, cpu_seconds(subject.pid) - used
        time.sleep(1)
        opened = len(sockets)
        after = rss(subject.pid)
        for sock in (*warm, *sockets):
            sock.close()
    report(
        "memory",
        f"An idle RTM connection, at {CONNECTIONS:,} connections of as many people in channels of 100",
        [
            {
                "connections": CONNECTIONS,
                "KiB RSS/connection": (after - before) / opened / 1024,
                "us CPU to connect": cpu / opened * 1e6,
                "connects/s": opened / seconds,
                "MiB RSS before": before / 2**20,
                "MiB RSS after": after / 2**20,
            }
        ],
    )
