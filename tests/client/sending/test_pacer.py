"""In which order messages go, and when."""

import asyncio
from collections.abc import Callable

import pytest

from tautwire import NotConnected, Rate
from tautwire.client.sending.pacer import MessagePacer

SLOW = Rate(per_second=0.001, burst=1)
"""So slow that no turn comes by itself."""

Later = Callable[[], None]


@pytest.fixture
async def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Turn the loop's clock on by as much as earns one turn of ``SLOW``."""
    loop = asyncio.get_running_loop()
    real, passed = loop.time, 0.0

    def turn_on() -> None:
        nonlocal passed
        passed += 1_000.0

    monkeypatch.setattr(loop, "time", lambda: real() + passed)
    return turn_on


async def asked(turn: MessagePacer, *names: str, order: list[str] | None = None) -> list["asyncio.Task[None]"]:
    """Let some ask for their turn, one after the other; their names come into the list as they get it."""

    async def ask(name: str) -> None:
        await turn.wait()
        if order is not None:
            order.append(name)

    tasks = [asyncio.create_task(ask(name)) for name in names]
    await asyncio.sleep(0)
    return tasks


async def test_one_that_comes_when_a_turn_is_just_earned_does_not_overtake_those_that_wait(later: Later) -> None:
    turn, order = MessagePacer(SLOW), list[str]()
    first, second = await asked(turn, "first", "second", order=order)
    assert (order, turn.waiting) == (["first"], 1)
    later()  # the timer is due, and fires when the loop comes to it
    third = asyncio.create_task(turn.wait())
    await asyncio.sleep(0)
    await asyncio.gather(first, second)
    assert order == ["first", "second"]
    assert not third.done()
    later()
    await third


async def test_one_that_asks_before_the_loop_comes_to_the_timer_waits_too(later: Later) -> None:
    turn, order = MessagePacer(SLOW), list[str]()
    first, second = await asked(turn, "first", "second", order=order)
    later()
    asking = turn.wait()
    asking.send(None)  # as far as it goes without the loop: it waits, though a turn is earned
    assert turn.waiting == 2
    asking.close()
    assert turn.waiting == 1
    await asyncio.gather(first, second)


async def test_one_that_gives_up_leaves_its_turn_to_the_next(later: Later) -> None:
    turn = MessagePacer(SLOW)
    _, gone, waits = await asked(turn, "first", "gone", "waits")
    gone.cancel()
    later()
    await waits
    assert gone.cancelled()
    assert turn.waiting == 0


async def test_one_that_gives_up_at_the_very_moment_does_not_keep_the_others(later: Later) -> None:
    turn = MessagePacer(SLOW)
    _, gone, waits = await asked(turn, "first", "gone", "waits")
    asyncio.get_running_loop().call_soon(gone.cancel)
    later()  # the turn comes right behind the cancellation
    async with asyncio.timeout(3_600):
        await waits
    assert gone.cancelled()


async def test_all_that_wait_are_given_up_but_those_that_were_cancelled() -> None:
    turn = MessagePacer(SLOW)
    _, *tasks = await asked(turn, "first", "a", "b", "c")
    tasks[0].cancel()
    turn.give_up(NotConnected)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in outcomes] == [asyncio.CancelledError, NotConnected, NotConnected]
    assert turn.waiting == 0


async def test_after_a_wish_to_slow_down_the_burst_is_gone() -> None:
    turn = MessagePacer(Rate(per_second=0.001, burst=5))
    turn.slow_down()  # before the first message there is none
    await turn.wait()
    turn.slow_down()
    (waits,) = await asked(turn, "waits")
    assert turn.waiting == 1
    waits.cancel()


async def test_without_a_rate_nothing_waits() -> None:
    turn = MessagePacer(None)
    for _ in range(1_000):
        await turn.wait()
    assert turn.waiting == 0
