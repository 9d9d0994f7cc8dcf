"""In which order messages go, and when."""

import asyncio
import time

import pytest

from tautwire import Rate
from tautwire.client.turn import Turn


async def test_one_that_comes_when_a_turn_is_just_earned_does_not_overtake_those_that_wait() -> None:
    turn = Turn(Rate(per_second=500.0, burst=1))
    order: list[str] = []

    async def say(name: str) -> None:
        await turn.wait()
        order.append(name)

    await say("first")
    waiting = asyncio.create_task(say("second"))
    await asyncio.sleep(0)
    assert turn.waiting == 1
    time.sleep(0.01)  # noqa: ASYNC251 (a busy program: the turn is earned, and the timer is late)
    await say("third")
    await waiting
    assert order == ["first", "second", "third"]


async def test_one_that_gives_up_leaves_its_turn_to_the_next() -> None:
    turn = Turn(Rate(per_second=20.0, burst=1))
    await turn.wait()
    gone, waits = asyncio.create_task(turn.wait()), asyncio.create_task(turn.wait())
    await asyncio.sleep(0)
    gone.cancel()
    async with asyncio.timeout(10):
        await waits
    assert gone.cancelled()
    assert turn.waiting == 0


async def test_after_a_wish_to_slow_down_the_burst_is_gone() -> None:
    turn = Turn(Rate(per_second=0.001, burst=5))
    turn.slow_down()  # before the first message there is none
    await turn.wait()
    turn.slow_down()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await turn.wait()


async def test_without_a_rate_nothing_waits() -> None:
    turn = Turn(None)
    for _ in range(1_000):
        await turn.wait()
    assert turn.waiting == 0
