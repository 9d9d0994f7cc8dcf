"""The event loop of the commands: a signal that comes while a server is started."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from tautwire.cli.loop import entered


class Service:
    """A service whose start takes until it is allowed, and that notes how it goes."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.is_starting = asyncio.Event()
        self.may_start = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        self.is_starting.set()
        try:
            await self.may_start.wait()
        except asyncio.CancelledError:
            self.notes.append("given up")
            raise
        yield "service"
        self.notes.append("stopped")


async def test_a_started_service_is_returned_and_stops_with_the_stack() -> None:
    service = Service()
    service.may_start.set()
    async with AsyncExitStack() as stack:
        assert await entered(stack, service.running(), asyncio.Event()) == "service"
        assert not service.notes
    assert service.notes == ["stopped"]


async def test_a_stop_gives_up_a_start_that_waits() -> None:
    service, stop = Service(), asyncio.Event()
    async with AsyncExitStack() as stack:
        entering = asyncio.create_task(entered(stack, service.running(), stop))
        await service.is_starting.wait()
        stop.set()
        assert await entering is None
        assert service.notes == ["given up"]
    assert service.notes == ["given up"]


async def test_a_caller_that_is_cancelled_gives_up_the_start() -> None:
    service = Service()
    async with AsyncExitStack() as stack:
        entering = asyncio.create_task(entered(stack, service.running(), asyncio.Event()))
        await service.is_starting.wait()
        entering.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await entering
    assert entering.cancelled()
    assert service.notes == ["given up"]


async def test_the_error_of_a_start_is_raised() -> None:
    @asynccontextmanager
    async def fail() -> AsyncIterator[str]:
        raise OSError("the port is in use")
        yield ""

    async with AsyncExitStack() as stack:
        with pytest.raises(OSError, match="the port is in use"):
            await entered(stack, fail(), asyncio.Event())
