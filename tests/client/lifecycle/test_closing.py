"""The end of a client: once, in order, in bounded time, whoever waits for it and whoever gives up."""

import asyncio
import logging
import signal
from collections.abc import Collection
from typing import Any

import pytest

from drive import until
from fake import PATIENCE
from tautwire.client.handlers.workers import Callers
from tautwire.client.lifecycle.closing import Closing


class Parts:
    """Stands for all that is closed: notes each step, and blocks in or raises from the one it is told to."""

    def __init__(self, *, blocks: Collection[str] = (), fails: str = "") -> None:
        self.steps: list[str] = []
        self.graces: dict[str, list[float]] = {}
        self.callers: Callers | None = None
        self.go_on = asyncio.Event()
        self._blocks = blocks
        self._fails = fails
        lifecycle: Any = self
        self.closing = Closing(lifecycle, self.finish_events, self.end_connections, self.end_handlers)

    async def _step(self, name: str, grace: float | None = None) -> None:
        self.steps.append(name)
        if grace is not None:
            self.graces.setdefault(name, []).append(grace)
        if name == self._fails:
            raise ValueError(name)
        if name in self._blocks and grace != 0:
            await self.go_on.wait()

    async def stop(self, within: float, hurry: asyncio.Event) -> None:
        """As ``Lifecycle.stop``."""
        await self._step("stop", within)

    async def finish_events(self, grace: float, callers: Callers) -> None:
        self.callers = callers
        await self._step("events", grace)

    async def end_connections(self) -> None:
        await self._step("connections")

    async def end_handlers(self, grace: float, callers: Callers) -> None:
        self.callers = callers
        await self._step("handlers", grace)


IN_ORDER = ["stop", "connections", "handlers"]
AFTER_A_SIGNAL = ["stop", "events", "connections", "handlers"]


async def test_the_parts_end_in_order_and_share_the_grace() -> None:
    parts = Parts()
    assert not parts.closing.has_begun
    await parts.closing.close(PATIENCE)
    assert parts.closing.has_begun
    assert parts.steps == IN_ORDER
    assert parts.graces["stop"] == [PATIENCE]
    (left,) = parts.graces["handlers"]
    assert 0 < left <= PATIENCE


@pytest.mark.parametrize("grace", [0.0, -1.0])
async def test_without_grace_handlers_end_at_once_but_stop_handlers_get_a_second(grace: float) -> None:
    parts = Parts()
    await parts.closing.close(grace)
    assert parts.graces == {"stop": [1.0], "handlers": [0.0]}


async def test_a_grace_below_that_of_stop_handlers_is_given_to_the_others_too() -> None:
    parts = Parts()
    await parts.closing.close(0.5)
    assert parts.graces["stop"] == [1.0]
    (left,) = parts.graces["handlers"]
    assert 0 < left <= 0.5


async def test_after_a_signal_events_finish_before_connections_end(caplog: pytest.LogCaptureFixture) -> None:
    parts = Parts()
    with caplog.at_level(logging.INFO, "tautwire.client"):
        parts.closing.begin_for_signal(signal.SIGTERM, PATIENCE)
        await parts.closing.close(PATIENCE)
    assert parts.steps == AFTER_A_SIGNAL
    assert "SIGTERM: closing, within about 10 s" in caplog.text
    assert parts.graces["stop"][0] >= parts.graces["events"][0] >= parts.graces["handlers"][0] > 0


async def test_after_a_signal_without_grace_events_are_not_waited_for() -> None:
    parts = Parts()
    parts.closing.begin_for_signal(signal.SIGINT, 0.0)
    await parts.closing.close(0.0)
    assert parts.steps == IN_ORDER


async def test_a_signal_during_the_end_changes_nothing() -> None:
    parts = Parts(blocks={"stop"})
    closing = asyncio.create_task(parts.closing.close(PATIENCE))
    await until(lambda: parts.steps)
    parts.closing.begin_for_signal(signal.SIGINT, PATIENCE)
    parts.go_on.set()
    await closing
    assert parts.steps == IN_ORDER


async def test_a_second_signal_keeps_what_the_first_one_meant() -> None:
    parts = Parts(blocks={"stop"})
    parts.closing.begin_for_signal(signal.SIGINT, PATIENCE)
    parts.closing.begin_for_signal(signal.SIGINT, PATIENCE)
    parts.go_on.set()
    await parts.closing.close(PATIENCE)
    assert parts.steps == AFTER_A_SIGNAL


async def test_many_callers_share_one_end_and_all_are_known_to_it() -> None:
    parts = Parts(blocks={"handlers"})
    tasks = [asyncio.create_task(parts.closing.close(PATIENCE)) for _ in range(3)]
    await until(lambda: "handlers" in parts.steps)
    late = asyncio.create_task(parts.closing.close(PATIENCE))
    await until(lambda: late in parts.closing.callers)
    assert parts.callers is parts.closing.callers
    assert all(each in parts.closing.callers for each in (*tasks, late))
    parts.go_on.set()
    await asyncio.gather(*tasks, late)
    await parts.closing.close(PATIENCE)  # when all is over
    assert parts.steps == IN_ORDER


async def test_begin_without_a_caller_adds_none() -> None:
    parts = Parts()
    task = parts.closing.begin(PATIENCE, None)
    assert parts.closing.begin(0.0, None) is task
    assert None not in parts.closing.callers
    await task
    assert parts.graces["stop"] == [PATIENCE]  # the grace of the first call


async def test_a_later_call_without_grace_hurries_the_first_one() -> None:
    parts = Parts(blocks={"handlers"})
    first = asyncio.create_task(parts.closing.close(PATIENCE))
    await until(lambda: "handlers" in parts.steps)
    await parts.closing.close(0.0)
    await first
    assert parts.steps == [*IN_ORDER, "handlers"]
    assert parts.graces["handlers"][1] == 0.0


async def test_a_later_call_with_grace_hurries_nothing() -> None:
    parts = Parts(blocks={"handlers"})
    calls = [asyncio.create_task(parts.closing.close(PATIENCE)) for _ in range(2)]
    await until(lambda: "handlers" in parts.steps)
    for _ in range(5):  # turns of the loop, in which a hurried end would go on
        await asyncio.sleep(0)
    assert not any(each.done() for each in calls)
    parts.go_on.set()
    await asyncio.gather(*calls)
    assert parts.steps == IN_ORDER


@pytest.mark.parametrize("at", ["events", "handlers"])
async def test_a_caller_that_is_cancelled_ends_the_grace_and_raises_when_all_is_over(at: str) -> None:
    parts = Parts(blocks={at, "handlers"})
    parts.closing.begin_for_signal(signal.SIGINT, PATIENCE)
    caller = asyncio.create_task(parts.closing.close(PATIENCE))
    await until(lambda: at in parts.steps)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert parts.steps == [*AFTER_A_SIGNAL, "handlers"]
    assert parts.graces["handlers"][-1] == 0.0


@pytest.mark.parametrize("fails", AFTER_A_SIGNAL)
async def test_a_step_that_fails_costs_no_other_and_is_raised(fails: str) -> None:
    parts = Parts(fails=fails)
    parts.closing.begin_for_signal(signal.SIGINT, PATIENCE)
    with pytest.raises(ValueError, match=fails):
        await parts.closing.close(PATIENCE)
    assert parts.steps == AFTER_A_SIGNAL


async def test_every_caller_learns_of_a_failure() -> None:
    parts = Parts(fails="connections")
    found = await asyncio.gather(*(parts.closing.close(0.0) for _ in range(2)), return_exceptions=True)
    assert [str(each) for each in found] == ["connections"] * 2
    with pytest.raises(ValueError, match="connections"):
        await parts.closing.close(0.0)
