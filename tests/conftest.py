"""What all tests share: Ctrl-C works in every run, tests of one module with one server stay together, and at the end of
a run it is said plainly what this machine could not run and what would change that."""

import asyncio
import functools
import inspect
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests of several folders share


if TYPE_CHECKING:
    from stores import Store

    from tools.postgres import Cluster


@pytest.fixture(scope="session")
def cluster() -> "Iterator[Cluster]":
    """A PostgreSQL for the tests of this worker, started when the first of them needs it."""
    from needs import skip_for

    from tools.postgres import ADVICE, find_programs, running_cluster

    skip_for(ADVICE if find_programs() is None else None)
    with running_cluster(durable=False) as cluster:
        yield cluster


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with a database on SQLite and on PostgreSQL, unless it is marked with its own.

    ``STORES=sqlite`` leaves PostgreSQL to those that are marked with it: enough to see which lines are run.
    """
    if "store" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("only_on")
        stores = os.environ.get("STORES", "sqlite postgres").split()
        metafunc.parametrize("store", stores if mark is None else mark.args, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> "Iterator[Store]":
    """An empty database of the kind that ``pytest_generate_tests`` asks for; the next test has the room of it."""
    from stores import Store

    if request.param == "sqlite":
        yield Store("sqlite", lambda: "")
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    store = Store("postgres", cluster.url)
    yield store
    for url in store.urls:  # 2 MB each, of which there are thousands
        cluster.drop(url)


@pytest.fixture(scope="session", autouse=True)
def interrupts() -> Iterator[None]:
    """Undo an ignored SIGINT: a job in the background and nohup begin with it, and child processes inherit it."""
    is_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if is_ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if is_ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Undo what a command that a test has run in this process changed in it, for the tests that follow.

    Commands log to stderr and take signals, as a process may that ends with them.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    signals = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    root.handlers[:] = [
        each for each in root.handlers if each in handlers or type(each).__module__.startswith("_pytest")
    ]
    root.setLevel(level)
    for number, handler in signals.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests with an event loop an end that says where they wait, and each test its worker."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            mark = item.get_closest_marker("timeout")
            limit = float(mark.args[0] if mark is not None else item.config.getini("timeout"))
            item.obj = ending(item.obj, 0.9 * limit)
        _group(item)


def ending(function: Callable[..., Awaitable[None]], limit: float) -> Callable[..., Awaitable[None]]:
    """Return a test that ends with a ``TimeoutError`` where it waits, before pytest-timeout ends the process.

    No signal ends a test on uvloop, and the process can only say what its threads do.
    """

    @functools.wraps(function)
    async def run(*args: object, **fixtures: object) -> None:
        loop, task, end = asyncio.get_running_loop(), asyncio.current_task(), monotonic() + limit
        assert task is not None

        def look() -> None:
            nonlocal timer
            left = end - monotonic()  # tests turn the clock of the loop
            timer = loop.call_later(left, look) if left > 0 else None
            if timer is None:
                task.cancel()

        timer: asyncio.TimerHandle | None = loop.call_later(limit, look)
        try:
            await function(*args, **fixtures)
        except asyncio.CancelledError as cancelled:
            if timer is None:
                raise TimeoutError(f"the test took longer than {limit:.0f} s") from cancelled
            raise
        finally:
            if timer is not None:
                timer.cancel()

    return run


def _group(item: pytest.Item) -> None:
    """Keep tests that share a fixture of their module on one worker: the others would start it once more."""
    fixtures = getattr(item, "_fixtureinfo", None)
    if fixtures is None:
        return
    scopes = {definitions[-1].scope for definitions in fixtures.name2fixturedefs.values()}
    if "module" in scopes:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons: dict[str, int] = {}
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        reasons[reason] = reasons.get(reason, 0) + 1
    if reasons:
        terminalreporter.section("not run on this machine (REQUIRE=all makes it a failure)")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:4d} x {reason}")
