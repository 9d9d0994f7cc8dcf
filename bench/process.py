"""Processes under measurement: where they run and what they use."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _cores[0], _cores[-1]
"""The server has the first core to itself, this process (the load) the last one."""


def spawn(command: Sequence[str], **options: Any) -> "subprocess.Popen[str]":
    """Start a process on the server's core; from then on this one stays on the other."""
    os.sched_setaffinity(0, {SERVER_CORE})  # inherited
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that all threads of a process have used, to the nanosecond."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def rss(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
