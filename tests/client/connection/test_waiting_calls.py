"""Calls that wait for a connection or for the end: each is answered, once, in the order they asked."""

import asyncio

import pytest

from tautwire.client.connection.waiting_calls import WaitingCalls


async def begun(*works: object) -> list["asyncio.Task[object]"]:
    tasks = [asyncio.ensure_future(work) for work in works]  # type: ignore[call-overload]
    await asyncio.sleep(0)
    return tasks


async def test_all_that_wait_get_the_connection_in_the_order_they_asked() -> None:
    calls: WaitingCalls[str] = WaitingCalls()
    order: list[int] = []

    async def want(number: int) -> str:
        found = await calls.connection()
        order.append(number)
        return found

    tasks = await begun(*(want(number) for number in range(3)))
    assert calls
    calls.connected("one")
    assert await asyncio.gather(*tasks) == ["one"] * 3
    assert order == [0, 1, 2]
    assert not calls


async def test_a_failure_is_for_those_that_want_a_connection_only() -> None:
    calls: WaitingCalls[str] = WaitingCalls()
    wants, runs = await begun(calls.connection(), calls.end())
    calls.failed(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await wants
    assert not runs.done()
    calls.ended(ValueError("over"), None)
    assert await runs is None


async def test_the_end_answers_both_kinds_each_in_its_way() -> None:
    calls: WaitingCalls[str] = WaitingCalls()
    wants, runs = await begun(calls.connection(), calls.end())
    calls.ended(ValueError("no connection"), KeyError("the reason"))
    with pytest.raises(ValueError, match="no connection"):
        await wants
    with pytest.raises(KeyError, match="the reason"):
        await runs


async def test_a_call_that_was_cancelled_waits_no_more_and_harms_nothing() -> None:
    calls: WaitingCalls[str] = WaitingCalls()
    given_up, run, stays = await begun(calls.connection(), calls.end(), calls.connection())
    given_up.cancel()
    run.cancel()
    calls.connected("one")
    calls.ended(ValueError("over"), None)
    assert await stays == "one"
    assert (await asyncio.gather(given_up, run, return_exceptions=True))[0].__class__ is asyncio.CancelledError
    assert not calls
