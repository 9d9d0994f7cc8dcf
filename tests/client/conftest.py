"""What the client's tests share: a fake server, and the two clients behind one face.

``client`` runs a scenario with the asyncio client (on both kinds of loop) and with the blocking one; a scenario that
passes for one and not for the other shows a difference that must not be.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that the tests here share

from drive import QUICK, Blocking, Driven, MakeClient, eventually
from fake import PATIENCE, TOKEN, FakeServer
from tautwire import Patience


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
            "patience": Patience(hello=PATIENCE),
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
