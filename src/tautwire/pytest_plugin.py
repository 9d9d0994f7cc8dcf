"""The pytest plugin: workspaces as fixtures.

``workspace`` and ``blocking_workspace`` give each test one of its own, on a free port, so tests may run side by side.
More people, bots and channels are asked for with a marker::

    @pytest.mark.workspace(people=["ann"], bots=["deploybot"], channels=["ops"])
    async def test_it(workspace): ...

``tautwire_session_workspace`` and ``tautwire_session_blocking_workspace`` are opened once a run, with the arguments
that the fixture ``tautwire_session_options`` returns.

It stands outside ``tautwire.testing`` since pytest loads it in every run, also where the server is not installed.
"""

import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from tautwire.testing import BlockingWorkspace, Workspace


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "workspace(people, bots, channels, only, rate_limits): what the tautwire workspace has besides alice, bob, bot "
        "and #general, or only=True instead of them",
    )


@pytest.fixture
def workspace(request: pytest.FixtureRequest) -> Iterator["Workspace"]:
    """A real workspace for an asyncio test."""
    with _testing().Workspace(**_marked(request)) as workspace:
        yield workspace


@pytest.fixture
def blocking_workspace(request: pytest.FixtureRequest) -> Iterator["BlockingWorkspace"]:
    """A real workspace for a blocking test."""
    with _testing().BlockingWorkspace(**_marked(request)) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def tautwire_session_options() -> Mapping[str, Any]:
    """What the workspaces of the session are made with; override it to have more people, bots or channels."""
    return {}


@pytest.fixture(scope="session")
def tautwire_session_workspace(tautwire_session_options: Mapping[str, Any]) -> Iterator["Workspace"]:
    """A real workspace for all asyncio tests of a run; ``await workspace.reset()`` before each."""
    with _testing().Workspace(**_checked(tautwire_session_options, "tautwire_session_options")) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def tautwire_session_blocking_workspace(tautwire_session_options: Mapping[str, Any]) -> Iterator["BlockingWorkspace"]:
    """A real workspace for all blocking tests of a run; ``workspace.reset()`` before each."""
    with _testing().BlockingWorkspace(**_checked(tautwire_session_options, "tautwire_session_options")) as workspace:
        yield workspace


def _testing() -> "ModuleType":
    try:
        import tautwire.testing
    except ModuleNotFoundError as error:
        pytest.fail(str(error), pytrace=False)
    return tautwire.testing


def _marked(request: pytest.FixtureRequest) -> Mapping[str, Any]:
    """Return the arguments of the test's marker."""
    marker = request.node.get_closest_marker("workspace")
    if marker is None:
        return {}
    if marker.args:
        pytest.fail(
            f"the marker workspace takes arguments by name, got {marker.args[0]!r}: {_choices()}", pytrace=False
        )
    return _checked(marker.kwargs, "the marker workspace")


def _checked(options: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """Return arguments that a workspace can be made with."""
    for name in options:
        if name not in _arguments():
            pytest.fail(f"{source} has an unknown argument {name!r}: {_choices()}", pytrace=False)
    return options


def _choices() -> str:
    return f"there are {', '.join(_arguments())}"


def _arguments() -> list[str]:
    return list(inspect.signature(_testing().Workspace).parameters)
