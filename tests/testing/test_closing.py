"""How a workspace ends: at once, and whatever its clients are doing."""

import asyncio

import pytest

from tautwire.testing import BlockingWorkspace


def test_closing_waits_for_nothing_when_nothing_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sleeps are counted and time is not: other work on the machine does not matter."""
    slept: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float, *arguments: object) -> object:
        slept.append(seconds)
        return await sleep(seconds, *arguments)

    with BlockingWorkspace() as workspace:
        workspace.person("alice").say("general", "hello")
        monkeypatch.setattr(asyncio, "sleep", note)

    assert [seconds for seconds in slept if seconds > 0.01] == []
