"""What is cancelled again and again, as anyio does until its scope is left, returns only when nothing is left."""

import asyncio
from typing import Any

import anyio
import pytest

from drive import MakeAsync, peer, until
from fake import FakeServer
from tautwire import ClientState, RTMClient


@pytest.fixture(autouse=True)
def _slow_end(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every end takes a moment: the server does not answer the Close frame."""
    monkeypatch.setattr("tautwire.client.connection.transport.CLOSE_PATIENCE", 0.2)


async def silent(fake: FakeServer) -> None:
    (await peer(fake)).read(wanted=False)


def left(before: set[Any]) -> set[Any]:
    return {each for each in asyncio.all_tasks() - before if not each.done()}


async def test_run_leaves_no_task_behind_in_an_anyio_scope(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    before = asyncio.all_tasks()
    async with anyio.create_task_group() as group:
        group.start_soon(client.run)
        await silent(fake)
        await until(lambda: client.is_connected)
        group.cancel_scope.cancel()
    assert left(before) == set()
    assert client.state is ClientState.CLOSED


async def test_async_with_leaves_no_task_behind_in_an_anyio_scope(fake: FakeServer, make: MakeAsync) -> None:
    client = make()
    before = asyncio.all_tasks()
    with anyio.CancelScope() as scope:
        async with client:
            await silent(fake)
            scope.cancel()
            await anyio.sleep_forever()
    assert left(before) == set()
    assert client.state is ClientState.CLOSED


@pytest.mark.parametrize("verb", ["connect", "disconnect"])
async def test_a_verb_leaves_no_task_behind_in_an_anyio_scope(fake: FakeServer, make: MakeAsync, verb: str) -> None:
    client = make()
    before = asyncio.all_tasks()
    if verb == "connect":
        fake.greeting = []  # no hello
    else:
        await client.connect()
        await silent(fake)
    with anyio.CancelScope() as scope:
        if verb == "connect":
            asyncio.get_running_loop().call_later(0.2, scope.cancel)
        else:
            scope.cancel()
        await getattr(client, verb)()
    assert left(before) == set()
    assert client.state is ClientState.IDLE


@pytest.mark.parametrize("turns", range(12))
async def test_run_that_is_cancelled_at_each_of_its_awaits_leaves_no_task_behind(
    fake: FakeServer, make: MakeAsync, turns: int
) -> None:
    """Begun after any number of turns of the loop, so that it meets every step of connecting."""
    client: RTMClient = make()
    before = asyncio.all_tasks()
    running = asyncio.create_task(client.run())
    for _ in range(turns):
        await asyncio.sleep(0.001)
    while not running.done():
        running.cancel()
        await asyncio.sleep(0)
    assert running.cancelled()
    assert left(before) == set()
