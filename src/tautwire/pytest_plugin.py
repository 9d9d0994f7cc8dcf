"""The pytest plugin: the fixtures ``workspace`` and ``blocking_workspace``.

Each test that asks for one gets a workspace of its own, on a free port, so tests may run side by side. Other people,
bots and channels are asked for with a marker::

    @pytest.mark.workspace(people=["ann"], bots=["deploybot"], channels=["ops"])
    async def test_it(workspace): ...

It stands outside ``tautwire.testing`` since pytest loads it in every run, also where the server is not installed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tautwire.testing import BlockingWorkspace, Workspace


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "workspace(people, bots, channels, rate_limits): who and what is in the tautwire workspace"
    )


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> Iterator["Workspace"]:
    """A real workspace for an asyncio test."""
    from tautwire.testing import Workspace

    marker = request.node.get_closest_marker("workspace")
    with Workspace(**(marker.kwargs if marker else {})) as workspace:
        yield workspace


@pytest.fixture
def blocking_workspace(request: pytest.FixtureRequest) -> Iterator["BlockingWorkspace"]:
    """A real workspace for a blocking test."""
    from tautwire.testing import BlockingWorkspace

    marker = request.node.get_closest_marker("workspace")
    with BlockingWorkspace(**(marker.kwargs if marker else {})) as workspace:
        yield workspace
