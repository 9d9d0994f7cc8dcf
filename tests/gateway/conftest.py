"""A gateway in this process, in front of a server of ours in this process: the upstream workspace."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "server" / "shared"))  # for the people of its tests
sys.path.insert(0, str(Path(__file__).parent))

from stage import OpenStage, Stage


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on what ``tautwire gateway run`` runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def open_stage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OpenStage]:
    """Start an upstream and a gateway; what is given goes to the settings of the gateway.

    A gateway that logs an error has a defect: a test that expects one clears the log.
    """
    monkeypatch.setattr("tautwire.server.watch.MAX_BUSY", 30.0)  # seconds: the disk may be slow while all tests run
    stages: list[Stage] = []
    async with AsyncExitStack() as stack:

        async def open_stage(**settings: object) -> Stage:
            stages.append(await stack.enter_async_context(Stage.opened(tmp_path, **settings)))
            return stages[-1]

        yield open_stage
    faults = [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.ERROR]
    if any(stage.line.was_cut for stage in stages):
        faults = [fault for fault in faults if not fault.startswith("not ready: upstream: ")]
    assert faults == []


@pytest.fixture
async def stage(open_stage: OpenStage) -> Stage:
    """A gateway for the bot desk, which is in #general with alice and bob, and in #ops with alice."""
    return await open_stage()
