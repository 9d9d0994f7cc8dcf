"""The turn of a message, and the back-off that follows from short lives of connections."""

import asyncio
import time

import pytest

from drive import MakeAsync, peer
from fake import FakeServer
from tautwire import Backoff, Rate
from tautwire.client.sends import Turn


async def test_a_message_does_not_overtake_one_whose_turn_has_just_come() -> None:
    turn = Turn(Rate(per_second=20.0, burst=1))
    await turn.wait()
    order: list[int] = []

    async def go(number: int) -> None:
        await turn.wait()
        order.append(number)

    first = asyncio.create_task(go(1))
    await asyncio.sleep(0)
    time.sleep(0.1)  # noqa: ASYNC251 (so that a token is there before the first one looks again)
    await go(2)
    await first
    assert order == [1, 2]


async def test_connections_that_end_after_their_hello_are_failures(
    fake: FakeServer, make: MakeAsync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a server that says hello and drops would be asked again and again."""
    monkeypatch.setattr("tautwire.client.supervisor.random.random", lambda: 1.0)
    base = 0.05
    client = make(backoff=Backoff(base=base, cap=60.0, budget=Rate(per_second=100.0, burst=100)))
    await client.connect()
    for _ in range(5):
        (await peer(fake)).drop()
    await peer(fake)
    pauses = [after - before for before, after in zip(fake.connected_at, fake.connected_at[1:], strict=False)]
    assert [pause >= base * 2**number for number, pause in enumerate(pauses, 1)] == [True] * 5
