"""A thousand reconnects: nothing grows, nothing is lost."""

import asyncio
import gc
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from subject import MakeSubject, Subject, eventually, open_files
from tautwire import Backoff, Rate
from tautwire.client.connection.connection import Connection
from tautwire.server.hub.frames import SharedFrames
from tautwire.testing import BlockingWorkspace, Link

RESTLESS = Backoff(base=0.0, cap=0.0, stable_after=60.0, budget=Rate(per_second=1e6, burst=1_000_000))

ROUND = 50
"""Reconnects after which all records are compared and thrown away, so that their memory hides no leak."""

WARM_UP, RECONNECTS = 6 * ROUND, 20 * ROUND

BLOCKS = 4.0
"""Blocks of Python's memory that may be added for each reconnect. Two are the server's, which remembers a used ticket
for 30 s; caches that fill up make it 3 at most. So what leaves two objects behind each time is likely to be found, and
three for sure."""

ROOM = 1_500_000
"""Bytes of resident memory that may be added in all, for leaks outside of Python's objects. SQLite's page cache takes
some 450 kB for the thousand messages; all in all it is 400 to 900 kB. So 1 kB left behind each time is found."""

ENDS: list[Callable[[Link], None]] = [Link.fin, Link.rst, Link.close, Link.goodbye]


@pytest.mark.timeout(240)
def test_a_thousand_reconnects_leave_no_trace(make_subject: MakeSubject, blocking_workspace: BlockingWorkspace) -> None:
    """The server and the front are in the same process: they have to be as tidy as the client."""
    subject = make_subject(backoff=RESTLESS)
    subject.connect()
    alice = blocking_workspace.person("alice")

    def reconnect(times: int) -> None:
        for first in range(0, times, ROUND):
            connects, said = subject.connects, [str(first + number) for number in range(ROUND)]
            for number, text in enumerate(said):
                before, old = subject.hellos, subject.link
                ENDS[number % len(ENDS)](old)
                alice.say("general", text)
                subject.wait_opened(before + 1)
                eventually(lambda old=old: old.is_closed, "the old connection stays")
            eventually(lambda said=said: subject.heard[-1:] == said[-1:])
            assert subject.heard == said
            assert subject.connects == connects + ROUND
            forget(subject, blocking_workspace)

    reconnect(WARM_UP)
    blocks, memory = sys.getallocatedblocks(), resident()
    files, threads, tasks = len(open_files()), threading.active_count(), running(subject)
    reconnect(RECONNECTS)

    more_blocks, more_memory = sys.getallocatedblocks() - blocks, resident() - memory
    eventually(lambda: len(open_files()) <= files, "file descriptors grow")
    eventually(lambda: threading.active_count() <= threads, "threads grow")
    eventually(lambda: running(subject) <= tasks, "tasks grow")
    assert more_blocks / RECONNECTS < BLOCKS
    assert more_memory < ROOM
    assert sum(type(each) is Connection for each in gc.get_objects()) <= 2


def forget(subject: Subject, workspace: BlockingWorkspace) -> None:
    """Throw away what is kept on purpose: records of the test, of the front and of the workspace, the log's tail and
    the frames of it that are shared by those who resume.

    What is left of the tail is on disk, where the server looks for what it does not find there.
    """
    stage = workspace._stage
    for records in (subject.heard, subject.gaps, subject.closes, subject.errors):
        records.clear()
    stage.forget()
    tail = stage.server.workspace.tail
    tail._entries.clear()
    tail.size = 0
    for each in gc.get_objects():
        if type(each) is SharedFrames:
            each._frames.clear()
            each._size = 0
    gc.collect()


def resident() -> int:
    """Return the bytes this process has in memory."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4096 if statm.exists() else 0


def running(subject: Subject) -> int:
    """Return the number of tasks on the client's loop."""
    return len(asyncio.all_tasks(subject.loop))
