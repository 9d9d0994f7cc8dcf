"""What the client's tests share: a fake server, and the two clients behind one face.

``client`` runs a scenario with the asyncio client (on both kinds of loop) and with the blocking one; a scenario that
passes for one and not for the other shows a difference that must not be.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that the tests here share

from drive import QUICK, Blocking, Driven, Join, MakeAsync, MakeClient, eventually
from fake import PATIENCE, TOKEN, FakeServer
from tautwire import RTMClient, Timeouts
from tautwire.testing import BlockingWorkspace


@pytest.fixture(autouse=True)
def _short_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no planned change of the connection costs a test a second."""
    monkeypatch.setattr("tautwire.client.connection.handover.SETTLE", 0.05)


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that wait for the end of a wait: nothing comes in these times that they want to see."""
    monkeypatch.setattr("tautwire.client.connection.connection._DRAIN", 0.3)
    monkeypatch.setattr("tautwire.client.sending.sending.REPLAY_WAIT", 0.3)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture(params=["asyncio", "uvloop", "blocking"])
def make_client(request: pytest.FixtureRequest, fake: FakeServer) -> Iterator[MakeClient]:
    """Make clients of one kind; in the end they are closed and must leave no task and no thread."""
    before = set(threading.enumerate())
    made: list[Any] = []

    def make(**options: Any) -> Any:
        options = {
            "token": TOKEN,
            "base_url": fake.api_url,
            "backoff": QUICK,
            "timeouts": Timeouts(hello=PATIENCE),
            "message_rate": None,
            **options,
        }
        if request.param == "blocking":
            made.append(Blocking(**options))
        else:
            made.append(
                Driven(uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop, **options)
            )
        return made[-1]

    yield make
    for each in made:
        each.end()
    eventually(lambda: not [each for each in set(threading.enumerate()) - before if "-reader" not in each.name])


@pytest.fixture
def client(make_client: MakeClient) -> Any:
    return make_client()


@pytest.fixture
def place() -> Iterator[BlockingWorkspace]:
    """A real workspace."""
    with BlockingWorkspace() as place:
        yield place


@pytest.fixture
def join(place: BlockingWorkspace, make_client: MakeClient) -> Join:
    """Make a client for a person of the real workspace."""

    def join(name: str, **options: Any) -> Any:
        return make_client(base_url=place.api_url, token=place.person(name).token, **options)

    return join


@pytest.fixture
async def make(fake: FakeServer) -> AsyncIterator[MakeAsync]:
    """Make asyncio clients on the test's own loop, and look for tasks they left."""
    made: list[RTMClient] = []

    def make(**options: Any) -> RTMClient:
        made.append(RTMClient(TOKEN, fake.api_url, **{"backoff": QUICK, "message_rate": None, **options}))
        return made[-1]

    before = asyncio.all_tasks()
    yield make
    for each in made:
        await each.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}
