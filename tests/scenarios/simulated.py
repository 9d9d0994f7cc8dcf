"""A loop whose time is not the world's: hours pass in seconds, and the sockets are real all the same.

Time stands still while there is anything to do. When nothing is left but to wait, it jumps to the next timer. What
other threads do for the loop (the server's database, look-ups of names) counts as something to do. Client, front and
server have to run on one such loop, since two would each have a time of their own.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final

import pytest

from tautwire.client.connection.transport import _PicowsTransport
from tautwire.server.log.writer import Writer
from tautwire.testing.clock import TurnedClock

BREATH: Final = 50e-6
"""Real seconds in which the system may still bring what was sent to a socket of this process."""

STEADY: Final = ("connection.connection.elapsed", "delivery.delivery.elapsed", "parts.monotonic")
"""Where the client looks at the steady clocks of the machine."""


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop that waits for sockets and threads, but never for time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._under_way = 0
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def wait(self, seconds: float | None) -> bool:
        """Let time pass until the next timer; return False if something else has to come first."""
        if self._under_way or seconds is None:
            return False
        self._now += seconds
        return True

    def begun(self) -> None:
        """Let time stand still until ``done``: something is under way elsewhere."""
        self._under_way += 1

    def done(self) -> None:
        """See ``begun``. On the loop."""
        self._under_way -= 1

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.begun()
        future.add_done_callback(lambda _: self.done())
        return future


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._simulated = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        time.sleep(BREATH)
        ready = super().select(0)
        if ready or self._simulated.wait(timeout):
            return ready
        return super().select(None)


class SimulatedClock(TurnedClock):
    """The server's clock, which tells the loop's time."""

    def __init__(self, loop: SimulatedLoop) -> None:
        super().__init__()
        self._loop = loop
        self._began = time.time_ns() // 1000

    def micros(self) -> int:
        return self._began + int(self._loop.time() * 1_000_000)

    def monotonic(self) -> float:
        return self._loop.time()


@contextmanager
def one_time(loop: SimulatedLoop) -> Iterator[None]:
    """Let the client and the front tell the loop's time, and the loop wait for the server's writer.

    The system's word on when the last byte came in is about real time, so it is not asked: the client counts whole
    messages, as it does on other systems than Linux.
    """
    write = Writer.post

    def post(self: Writer, unit: Any, done: Any) -> None:
        def told(result: Any, error: BaseException | None) -> None:
            loop.done()
            done(result, error)

        write(self, unit, told)
        loop.begun()

    with pytest.MonkeyPatch.context() as patch:
        for each in STEADY:
            patch.setattr(f"tautwire.client.{each}", loop.time)
        patch.setattr("tautwire.testing.faults.time", SimpleNamespace(monotonic=loop.time))
        patch.setattr(_PicowsTransport, "quiet_for", lambda _: None)
        patch.setattr(Writer, "post", post)
        yield
