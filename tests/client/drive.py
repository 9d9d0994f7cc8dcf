"""The two clients behind one face, so that a scenario is written once, as plain blocking code."""

import asyncio
import inspect
import threading
import time
from collections.abc import Callable
from typing import Any

from fake import PATIENCE, FakeServer, Peer
from tautwire import Backoff, BlockingRTMClient, Rate, RTMClient

QUICK = Backoff(base=0.05, cap=0.2, stable_after=60.0, budget=Rate(per_second=100.0, burst=100))
"""So that a test does not wait for what a program may well wait for."""

MakeClient = Callable[..., Any]

MakeAsync = Callable[..., RTMClient]

Join = Callable[..., Any]
"""Makes a client for a person of a real workspace: ``join("alice", **options)``."""


class Driven:
    """The asyncio client with its loop in a thread, each coroutine method called and waited for."""

    def __init__(self, new_loop: Callable[[], asyncio.AbstractEventLoop], *args: Any, **options: Any) -> None:
        self._loop = new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="driver", daemon=True)
        self._thread.start()
        self._client = RTMClient(*args, **options)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *args, **options: self.wait(found(*args, **options))

    def wait(self, work: Any) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(3 * PATIENCE)
        except BaseException:
            future.cancel()
            raise

    def end(self) -> None:
        """Close the client and look for what it left behind."""
        self.wait(self._client.close())
        left = self.wait(_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        assert left == [], left


async def _tasks() -> list[str]:
    await asyncio.sleep(0)
    return [repr(each) for each in asyncio.all_tasks() if each is not asyncio.current_task()]


class Blocking(BlockingRTMClient):
    """The blocking client itself."""

    def end(self) -> None:
        """Close the client."""
        self.close()


def eventually(condition: Callable[[], object], complaint: str = "it never happened") -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.002)


async def until(condition: Callable[[], object], complaint: str = "it never happened") -> None:
    """Wait on the loop until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, complaint
        await asyncio.sleep(0.001)


async def peer(fake: FakeServer) -> Peer:
    """Wait on the loop for the next client to open a WebSocket."""
    return await asyncio.to_thread(fake.peer)


def start_send(client: Any) -> tuple[threading.Thread, list[Any]]:
    outcomes: list[Any] = []

    def send() -> None:
        try:
            outcomes.append(client.say("C1", "hi"))
        except Exception as error:
            outcomes.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    return thread, outcomes
