"""A front in this process, before a small HTTP server that stands for the gateway or the server behind it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "server" / "shared"))  # for the people of its tests
sys.path.insert(0, str(Path(__file__).parents[1] / "gateway"))
sys.path.insert(0, str(Path(__file__).parent))

from fronts import OpenFront, opened


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on what the commands run on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the certificates are, of all tests of this worker."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture
async def open_front(folder: Path) -> AsyncIterator[OpenFront]:
    async with opened(folder) as open_front:
        yield open_front
