"""How long a test waits for its workspace: from nothing to a server that answers, and away again.

As the fixtures do it, so with a thread, a loop, a data directory, a seeded database and a listening server each time.
The first one of a process loads the server's modules besides; it is timed in a process of its own.
"""

import statistics
import subprocess
import sys
import time

from bench.report import Cell, report
from tautwire.testing import BlockingWorkspace, Workspace

ROUNDS = 50
FIRSTS = 5

KINDS: dict[str, type[Workspace | BlockingWorkspace]] = {"asyncio": Workspace, "blocking": BlockingWorkspace}

FIRST = """
import time
started = time.perf_counter()
from tautwire.testing import {0}
with {0}():
    print(time.perf_counter() - started)
"""


def measure(kind: type[Workspace | BlockingWorkspace]) -> tuple[float, float]:
    """Return the seconds to open and to close one workspace."""
    workspace = kind()
    started = time.perf_counter()
    workspace.open()
    opened = time.perf_counter()
    workspace.close()
    return opened - started, time.perf_counter() - opened


def first(kind: type[Workspace | BlockingWorkspace]) -> float:
    """Return the seconds to import and open the first workspace of a process."""
    program = [sys.executable, "-c", FIRST.format(kind.__name__)]
    return float(subprocess.run(program, capture_output=True, text=True, check=True).stdout)


def row(name: str, rounds: int = ROUNDS, firsts: int = FIRSTS) -> dict[str, Cell]:
    kind = KINDS[name]
    measure(kind)  # loads what is loaded once
    opening, closing = zip(*(measure(kind) for _ in range(rounds)), strict=True)
    return {
        "workspace": name,
        "ms to open": statistics.median(opening) * 1000,
        "95th percentile": statistics.quantiles(opening, n=20)[-1] * 1000,
        "ms to close": statistics.median(closing) * 1000,
        "ms to open the first, imports included": statistics.median(first(kind) for _ in range(firsts)) * 1000,
    }


def main() -> None:
    report("workspace", f"A workspace for a test, medians of {ROUNDS}", [row(name) for name in KINDS])
