"""Processes under measurement: where they run and what they use."""

import os
import subprocess
import time
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _cores[0], _cores[-1]
"""The server has the first core to itself, this process (the load) the last one."""

APPS_CORE = _cores[len(_cores) // 2]
"""Where further clients run, which are not what is measured; with two cores it is the load's."""

ALL_CORES = frozenset(_cores)


def spawn(
    command: Sequence[str], *, cores: Set[int] = frozenset({SERVER_CORE}), **options: Any
) -> "subprocess.Popen[str]":
    """Start a process on the server's core, or where it is told; from then on this one stays on the load's."""
    os.sched_setaffinity(0, cores)  # inherited
    try:
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that all threads of a process have used, ended ones too, to the nanosecond."""
    return time.clock_gettime(~pid << 3 | 2)  # what clock_getcpuclockid(3) gives on Linux


def rss(pid: int) -> int:
    """Return the resident memory of a process in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
