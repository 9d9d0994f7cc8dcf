import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the conformance package is not installed

from conformance.inbox import Transcript
from conformance.person import Person
from conformance.server import ServerProcess


@pytest.fixture(scope="module")
def transcript() -> Transcript:
    return Transcript()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgres"])
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, transcript: Transcript
) -> AsyncIterator[ServerProcess]:
    """Our server, the same for all tests of a module, without rate limits; on each database in turn."""
    database = [] if request.param == "sqlite" else ["--database", request.getfixturevalue("cluster").url()]
    directory = tmp_path_factory.mktemp("server")
    async with ServerProcess(directory, transcript, ("--rate-limits", "off", *database)) as process:
        yield process


@pytest_asyncio.fixture(loop_scope="module")
async def alice(server: ServerProcess, transcript: Transcript) -> AsyncIterator[Person]:
    async with Person("alice", server.token("alice"), server.api_url, transcript) as person:
        yield person


@pytest_asyncio.fixture(loop_scope="module")
async def bob(server: ServerProcess, transcript: Transcript) -> AsyncIterator[Person]:
    async with Person("bob", server.token("bob"), server.api_url, transcript) as person:
        yield person


@pytest_asyncio.fixture(loop_scope="module")
async def relaybot(server: ServerProcess, transcript: Transcript) -> AsyncIterator[Person]:
    async with Person("relaybot", server.token("relaybot"), server.api_url, transcript) as person:
        yield person


@pytest.fixture
def channel(server: ServerProcess) -> str:
    """#general, in which all of them are."""
    return server.channel("general")
