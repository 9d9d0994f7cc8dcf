"""An event loop in a thread of its own, for callers that block: it takes work, they wait for results, and it ends.

Code on the loop may block it for ever or end it early, and the program may fork: then callers that wait get an error
instead of waiting for ever. Nothing here knows RTM; ``client/blocking/client`` owns a background.
"""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from time import monotonic
from typing import Any, Final, TypeVar

from tautwire.client.errors import ClientClosed
from tautwire.client.log import LOG
from tautwire.client.signals import joined, result_on

R = TypeVar("R")

_SLACK: Final = 3.0
"""Seconds on top of the grace that an end may take. One that is not held up takes less."""

_LAST_WAIT: Final = 1.0
"""Seconds given to cancelled tasks."""


class LoopThread:
    """A loop that runs in a daemon thread as soon as it is made.

    Args:
        finish: closes what runs on the loop, given the thread that wants it and the seconds of grace. Run on the loop
            as the last thing, also if the loop ends unasked.
        joins: called on the loop with each later thread that waits for the end.
    """

    def __init__(
        self, finish: Callable[[object, float], Coroutine[Any, Any, None]], joins: Callable[[object], object]
    ) -> None:
        self.loop = asyncio.new_event_loop()
        self._finish = finish
        self._joins = joins
        self._wanted: asyncio.Future[tuple[object, float]] = self.loop.create_future()
        self._pid = os.getpid()
        self.fault: BaseException | None = None
        """What ended the loop before ``close``; everything on it was closed then."""
        self._until = 0.0  # when the end that is under way has to be over
        self._is_left_behind = False
        # a daemon: a handler that blocks the loop for ever must not keep the program alive
        self._thread = threading.Thread(target=self._run, name="tautwire-client", daemon=True)
        self._thread.start()

    @property
    def is_forked(self) -> bool:
        """Whether this is a copy, made by a fork, of what runs in another process."""
        return os.getpid() != self._pid

    @property
    def is_over(self) -> bool:
        """Whether work can never finish here any more."""
        return self._is_left_behind or self.is_forked or not self._thread.is_alive()

    def check_caller(self) -> None:
        """Check that the caller can wait for what runs here.

        Raises:
            RuntimeError: it runs here itself, or in a fork.
        """
        if self.is_forked:
            raise RuntimeError("the client runs in the process that was forked; make a new client after the fork")
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "a coroutine function or inline handler runs on the client's loop and would wait for itself; "
                "use a plain handler, or RTMClient. To end the client from here, call close() in a thread of its own: "
                "threading.Thread(target=client.close).start()"
            )

    def wait(self, work: Coroutine[Any, Any, R], unless: Callable[[], bool] = lambda: False) -> R:
        """Run a coroutine on the loop and wait for its outcome.

        Args:
            work: the coroutine.
            unless: whether its end is not waited for any more; asked every half second.

        Raises:
            ClientClosed: the loop has ended or will not answer any more, or the work was cancelled.
        """
        try:
            return result_on(self.loop, work, unless=lambda: self.is_over or unless())
        except concurrent.futures.CancelledError:
            raise ClientClosed from self.fault

    def close(self, grace: float) -> None:
        """Finish what runs here and end the thread, within the grace and three seconds.

        A loop that does not come to its end by then, since a handler blocks it, is left behind; it ends as soon as it
        can. A concurrent second call waits for the first, within the same time limit.
        """
        until = monotonic() + max(grace, 0.0) + _SLACK
        with suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(self._want, threading.current_thread(), grace, until)
        if self._is_left_behind or joined(self._thread, until) or monotonic() < self._until:
            return
        self._is_left_behind = True
        LOG.warning("the client's thread does not end, since a handler blocks its loop; it is left behind")

    # -- in the thread --------------------------------------------------------------------------------------

    def _want(self, caller: object, grace: float, until: float) -> None:
        if self._wanted.done():
            self._joins(caller)
        else:
            self._until = until
            self._wanted.set_result((caller, grace))

    async def _serve(self) -> None:
        # not loop.stop(): what runs on the loop is closed first, by the loop itself
        await self._finish(*await self._wanted)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 (also SystemExit: it would end the thread unseen)
            self.fault = error
            LOG.error("the client is closed, since its loop ended", exc_info=error)
            with suppress(BaseException):  # it may be ended again, by the same handler
                self.loop.run_until_complete(self._finish(None, 0.0))
        _clear(self.loop)


def _clear(loop: asyncio.AbstractEventLoop) -> None:
    """End what users left on a loop, and the loop."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left, timeout=_LAST_WAIT))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
