"""A server in this process with people in it, for the tests of the server."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent / "shared"))  # for the modules that the tests here share

from stores import Store

from scene import OpenScene, Scene, TurnedClock
from sites import Site
from tautwire.server.services.people.presence import Presence


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on what ``tautwire serve`` runs on."""
    return {"uvloop": uvloop.new_event_loop}


SLOW_DISK = 30.0
"""Seconds of a commit at which a server says that it is not ready. The disk of a machine that runs all tests may take
more than the figure for operators; ``test_watch`` is about that one."""


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


class _Impatient:
    """``asyncio`` as uvicorn sees it: it polls ten times a second, which is much of the time of a short test."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    async def sleep(self, delay: float) -> None:
        await asyncio.sleep(delay / 50)


@pytest.fixture
async def open_scene(
    tmp_path: Path, clock: TurnedClock, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[OpenScene]:
    """Start a server on the data directory of this test; what is given goes to its settings.

    A server that logs an error has a defect: a test that expects one clears the log.
    """
    sweep = Presence.sweep

    def counted(presence: Presence) -> None:
        sweep(presence)
        clock.sweeps += 1

    monkeypatch.setattr(Presence, "sweep", counted)
    monkeypatch.setattr("tautwire.server.tasks.SWEEP_INTERVAL", 0.01)
    monkeypatch.setattr("tautwire.server.sockets.keeper.END_PATIENCE", 0.3)
    monkeypatch.setattr("tautwire.server.watch.MAX_BUSY", SLOW_DISK)
    monkeypatch.setattr("uvicorn.server.asyncio", _Impatient())
    async with AsyncExitStack() as stack:

        async def open_scene(**settings: object) -> Scene:
            data = tmp_path / "data"
            settings = {"database": store.url(data), **settings}
            return await stack.enter_async_context(Scene.opened(data, clock, **settings))

        yield open_scene
    faults = [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    assert not faults, [record.getMessage() for record in faults]


@pytest.fixture
async def scene(open_scene: OpenScene) -> Scene:
    """A server without rate limits, with alice, bob, carol and relaybot; #general has all but carol."""
    return await open_scene()


@pytest.fixture
async def open_site() -> AsyncIterator[Callable[[], Awaitable[Site]]]:
    sites = []

    async def open_site() -> Site:
        site = Site()
        sites.append(site)
        await site.open()
        return site

    yield open_site
    for site in sites:
        await site.close()


@pytest.fixture
async def site(open_site: Callable[[], Awaitable[Site]]) -> Site:
    return await open_site()
