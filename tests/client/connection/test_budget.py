"""The budget of attempts that clients of one token share within a process."""

import asyncio
import gc

import pytest

from tautwire import Backoff, Rate, Token
from tautwire.client.connection.budget import allowance_for
from tautwire.client.settings import Settings

BACKOFF = Backoff(budget=Rate(per_second=0.001, burst=2))


def settings(
    token: str,
    base_url: str = "http://127.0.0.1/api/",
    backoff: Backoff = BACKOFF,
) -> Settings:
    return Settings(Token(token), base_url, backoff=backoff)


async def test_clients_of_one_token_and_address_share_one_budget() -> None:
    loop = asyncio.get_running_loop()
    first = allowance_for(settings("xoxb-1"), loop)
    assert allowance_for(settings("xoxb-1"), loop) is first
    others = [
        allowance_for(each, loop)
        for each in (
            settings("xoxb-2"),
            settings("xoxb-1", base_url="http://127.0.0.2/api/"),
            settings("xoxb-1", backoff=Backoff(budget=Rate(per_second=1.0, burst=2))),
        )
    ]
    assert all(each is not first for each in others)


async def test_a_budget_is_spent_one_attempt_at_a_time_and_held_for_all() -> None:
    allowance = allowance_for(settings("xoxb-spent"), asyncio.get_running_loop())
    now = asyncio.get_running_loop().time()
    assert allowance.take(now)
    assert not allowance.take(now)
    allowance.give_back()
    assert allowance.take(now)
    allowance.give_back()
    assert not allowance.take(now)
    assert allowance.wait(now) > 0
    allowance.hold(now + 5000.0)
    assert allowance.wait(now) == pytest.approx(5000.0)


async def test_with_the_last_client_of_a_token_its_budget_is_forgotten() -> None:
    loop = asyncio.get_running_loop()
    allowance = allowance_for(settings("xoxb-last"), loop)
    assert allowance.take(loop.time())
    del allowance
    gc.collect()
    assert allowance_for(settings("xoxb-last"), loop).take(loop.time())
