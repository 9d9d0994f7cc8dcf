"""What is cancelled again and again, as anyio does until its scope is left, returns only when nothing is left.

And what is cancelled from outside is missed by nothing but itself.
"""

import asyncio
from typing import Any

import anyio
import pytest

from drive import MakeAsync, peer, until
from fake import FakeServer, message
from tautwire import ClientState, MessageEvent, RTMClient


@pytest.fixture(autouse=True)
def _slow_end(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every end takes a moment: the server does not answer the Close frame."""
    monkeypatch.setattr("tautwire.client.connection.transport.CLOSE_TIMEOUT", 0.2)


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


def workers() -> list[asyncio.Task[Any]]:
    """The tasks that run coroutine handlers."""
    return [each for each in asyncio.all_tasks() if each.get_coro().__qualname__ == "TaskQueue._work"]  # type: ignore[union-attr]


@pytest.mark.parametrize("moment", ["idle", "before its first step", "woken"])
async def test_a_coroutine_handler_goes_on_though_its_task_was_cancelled(
    fake: FakeServer, make: MakeAsync, moment: str
) -> None:
    """As a program does that cancels all tasks it finds; the client's own one may be spared, or made again."""
    client = make()
    heard: list[str] = []
    failures: list[BaseException] = []

    async def note(event: MessageEvent) -> None:
        heard.append(event.text)

    def cancel(event: MessageEvent) -> None:
        if event.text == "2" and moment != "idle":
            for each in workers():
                each.cancel()

    client.on(MessageEvent)(note)
    client.add_error_handler(lambda error, _: failures.append(error))
    client.on(MessageEvent, inline=True)(cancel)
    await client.connect()
    server = await peer(fake)
    if moment != "before its first step":
        await asyncio.to_thread(server.send, message(1))
        await until(lambda: heard == ["1"] and not client.queues()[0].waiting)
        await asyncio.sleep(0)
    if moment == "idle":
        for each in workers():
            each.cancel()
        await asyncio.sleep(0)
    await asyncio.to_thread(server.send, message(2))
    await until(lambda: "2" in heard, f"the handler is deaf: {heard}, {failures}")
    await asyncio.to_thread(server.send, message(3))
    await until(lambda: "3" in heard, f"the handler is deaf: {heard}, {failures}")
    assert failures == []
