"""A well-behaved client beside hostile ones, and the scales the server is weighed on meanwhile."""

import asyncio
import json
import time
from types import TracebackType
from typing import Any, Self

import aiohttp

from process import Served
from tautwire.session.server import OTHER_RATE

PAUSE = 0.02
"""Seconds between two frames of the neighbour, without rate limits."""


class Neighbour:
    """A client that sends one message after the other and waits for each ack, and what it saw of the server.

    Args:
        is_limited: whether the server has rate limits on: it gets pings instead of messages.
    """

    def __init__(self, served: Served, *, who: str = "alice", is_limited: bool = False) -> None:
        self.waits: list[float] = []
        """Seconds from each frame to its reply."""
        self.heard: list[dict[str, Any]] = []
        """What came besides acks."""
        self.heaviest = 0.0
        """The most resident memory that the server had, in MiB."""
        self._served = served
        self._who = who
        self._frame = {"type": "message", "channel": served.channel("general"), "text": "still here"}
        self._pause = PAUSE
        if is_limited:  # a slow attack, on a busy machine, takes many pings
            self._frame = {"type": "ping"}
            self._pause = 1.0 / OTHER_RATE.per_second
        self._before = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._http = aiohttp.ClientSession()

    async def __aenter__(self) -> Self:
        try:
            grant = await self._served.call(self._http, self._who, "rtm.connect")
            self._socket = await self._http.ws_connect(grant["url"], compress=0)
            for number in range(1, 51):  # so that what is loaded and cached once does not count
                await self._say(number)
        except BaseException:
            await self._http.close()
            raise
        self.waits.clear()
        self._before = self.heaviest = self._served.memory()
        self._tasks = [asyncio.create_task(self._talk()), asyncio.create_task(self._weigh())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()
        await self._http.close()
        for end in ends:
            if isinstance(end, Exception) and error is None:
                raise end

    @property
    def is_gone(self) -> bool:
        """Whether its connection has ended: the end of the block says why."""
        return any(task.done() for task in self._tasks)

    @property
    def growth(self) -> float:
        """How much resident memory the server took at most, in MiB."""
        return self.heaviest - self._before

    @property
    def p99(self) -> float:
        """The wait that one message in a hundred had to bear, in seconds; one that still waits counts as well."""
        waits = sorted([*self.waits, time.monotonic() - self._asked])
        return waits[int(len(waits) * 0.99)]

    async def _talk(self) -> None:
        number = 1_000
        while True:
            number += 1
            await self._say(number)
            await asyncio.sleep(self._pause)

    async def _say(self, number: int) -> None:
        self._asked = began = time.monotonic()
        await self._socket.send_json({"id": number, **self._frame})
        while True:
            message = await self._socket.receive(60.0)
            assert message.type is aiohttp.WSMsgType.TEXT, f"the neighbour's connection ended: {message}"
            frame = json.loads(message.data)
            if frame.get("reply_to") == number:
                assert frame.get("ok", True), frame
                break
            self.heard.append(frame)
        self.waits.append(time.monotonic() - began)

    async def _weigh(self) -> None:
        while True:
            self.heaviest = max(self.heaviest, self._served.memory())
            await asyncio.sleep(0.02)
