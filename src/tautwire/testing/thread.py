"""A loop in a thread of its own, and waiting for what runs there from outside."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines on its loop for callers in other threads, with or without a loop of their own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tautwire-testing", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Start a coroutine."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    async def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and wait for it here, without holding up the caller's loop."""
        return await asyncio.wrap_future(self.submit(coroutine))

    def block(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine there and block until it ends."""
        return self.submit(coroutine).result()

    def close(self) -> None:
        """End the loop and the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
