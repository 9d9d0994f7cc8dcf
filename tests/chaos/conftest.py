"""Chaos: random people, hostile connections, kills and full disks against the real server in a process of its own.

A short seeded part of it is in every ``make test``; what is marked ``chaos`` is left to ``make chaos``. A run is
repeated with ``SEED=…``: it repeats what was asked of the server, not the moments at which the machine got to it.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "server" / "shared"))  # for the modules that these tests share
sys.path.insert(0, str(Path(__file__).parents[1] / "gateway"))
sys.path.insert(0, str(Path(__file__).parent))

from stores import Store

from process import Open, Served

SEED = int(os.environ.get("SEED") or 20170711)
DAYS = int(os.environ.get("SEEDS") or 20)
"""How many seeds a test with ``day`` has, from ``SEED`` on."""
SHORT = 2
"""How many of them every ``make test`` has."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with ``day`` for each seed; ``SEED=… SEEDS=1`` repeats one."""
    if "day" in metafunc.fixturenames:
        seeds = range(SEED, SEED + DAYS)
        marks = pytest.mark.chaos
        metafunc.parametrize("day", [*seeds[:SHORT], *(pytest.param(seed, marks=marks) for seed in seeds[SHORT:])])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if any("tests/chaos/" in report.nodeid for report in terminalreporter.stats.get("failed", [])):
        terminalreporter.write_line(f"repeat it with SEED={SEED}", red=True)


@pytest.fixture
def seed() -> int:
    """What the run's choices follow from."""
    print(f"SEED={SEED}")
    return SEED


@pytest.fixture
async def serve(tmp_path: Path, store: Store) -> AsyncIterator[Open]:
    """Start servers that end with the test; their log is shown if the test fails."""
    async with AsyncExitStack() as stack:

        async def start(directory: Path | None = None, *options: str, seed: str | None = None) -> Served:
            data = directory or tmp_path / "data"
            served = Served(data, *store.options(data), *options, seed=seed, scratch=tmp_path)
            served.database = store.url(data)
            stack.push_async_callback(served.end)
            await served.start()
            return served

        yield start
