"""Scenarios: something goes wrong between a client and our real server, and the client has to take it well.

Each runs for the asyncio and for the blocking client, as plain blocking code. Whatever happens in a scenario, in the
end the client is closed and must leave no task, thread or file descriptor.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the module that the scenarios share

from subject import KINDS, Kind, MakeSubject, Subject, Talk, nothing_left_behind
from tautwire.testing import BlockingWorkspace, Faults


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def make_subject(kind: Kind, blocking_workspace: BlockingWorkspace) -> Iterator[MakeSubject]:
    """Make clients of one kind with any options."""
    made: list[Subject] = []

    def make(name: str = "bot", **options: Any) -> Subject:
        place = blocking_workspace
        options = {"base_url": place.api_url, **options}
        made.append(Subject(kind, place.person(name).token, faults=place.faults, **options))
        return made[-1]

    blocking_workspace.person("alice").say("general", "good morning")  # opens what the server opens when needed
    with nothing_left_behind():
        yield make
        for each in made:
            each.end()


@pytest.fixture
def subject(make_subject: MakeSubject) -> Subject:
    """A client that is not connected yet."""
    return make_subject()


@pytest.fixture
def faults(blocking_workspace: BlockingWorkspace) -> Faults:
    return blocking_workspace.faults


@pytest.fixture
def talk(blocking_workspace: BlockingWorkspace) -> Talk:
    return Talk(blocking_workspace)
