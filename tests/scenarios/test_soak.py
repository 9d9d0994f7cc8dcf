"""A thousand reconnects: nothing grows, nothing is lost."""

import asyncio
import gc
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from subject import MakeSubject, Subject, eventually, open_files
from tautwire import Backoff, Rate
from tautwire.client.connection import Connection
from tautwire.testing import BlockingWorkspace, Link

RESTLESS = Backoff(base=0.0, cap=0.0, stable_after=60.0, budget=Rate(per_second=1e6, burst=1_000_000))

WARM_UP, RECONNECTS = 200, 1_000

ROOM = 4_000_000
"""Bytes; the transcript of the workspace takes more than half of it."""

ENDS: list[Callable[[Link], None]] = [Link.fin, Link.rst, Link.close, Link.goodbye]


@pytest.mark.timeout(60)
def test_a_thousand_reconnects_leave_no_trace(make_subject: MakeSubject, blocking_workspace: BlockingWorkspace) -> None:
    """The server and the front are in the same process: they have to be as tidy as the client."""
    subject = make_subject(backoff=RESTLESS)
    subject.connect()
    alice = blocking_workspace.person("alice")
    said: list[str] = []

    def reconnect(times: int) -> None:
        for number in range(times):
            said.append(str(len(said)))
            before, old = subject.hellos, subject.link
            ENDS[number % len(ENDS)](old)
            alice.say("general", said[-1])
            subject.wait_opened(before + 1)
            eventually(lambda old=old: old.is_closed, "the old connection stays")

    reconnect(WARM_UP)
    memory, files, threads, tasks = resident(), len(open_files()), threading.active_count(), running(subject)
    reconnect(RECONNECTS)

    eventually(lambda: subject.heard[-1:] == said[-1:])
    assert subject.heard == said
    assert subject.connects == 1 + WARM_UP + RECONNECTS
    eventually(lambda: len(open_files()) <= files, "file descriptors grow")
    eventually(lambda: threading.active_count() <= threads, "threads grow")
    eventually(lambda: running(subject) <= tasks, "tasks grow")
    grown = resident() - memory
    assert grown < ROOM, f"{grown} bytes more after {RECONNECTS} reconnects"
    assert sum(type(each) is Connection for each in gc.get_objects()) <= 2


def resident() -> int:
    """Return the bytes this process has in memory, after cleaning up."""
    gc.collect()
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


def running(subject: Subject) -> int:
    """Return the number of tasks on the client's loop."""
    return len(asyncio.all_tasks(subject.loop))
