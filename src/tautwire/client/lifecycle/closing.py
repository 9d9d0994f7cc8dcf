"""The end of a client: it comes once, in order, and in bounded time, however many callers want it.

    on_stop handlers ─► after a signal: handlers of events ─► connections ─► handlers

After a signal the handlers of events finish while the connection is up, so that what they send gets its ack.

``client/rtm_client`` says how connections and handlers end.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tautwire.client.guard import finished, unless_hurried
from tautwire.client.handlers.workers import Callers
from tautwire.client.lifecycle.lifecycle import Lifecycle
from tautwire.client.log import LOG

_STOP_GRACE: Final = 1.0
"""Seconds on_stop handlers get at least, also if there is no grace."""


class Closing:
    """The end of one client.

    Args:
        lifecycle: has the on_stop handlers.
        finish_events: keeps new events back, and lets the handlers finish those they have, within the seconds given.
            Handlers among the callers are not waited for.
        end_connections: ends the connections and what else makes events.
        end_handlers: ends the handlers, given the seconds of grace and the callers, as above.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        finish_events: Callable[[float, Callers], Coroutine[Any, Any, None]],
        end_connections: Callable[[], Coroutine[Any, Any, None]],
        end_handlers: Callable[[float, Callers], Coroutine[Any, Any, None]],
    ) -> None:
        self._lifecycle = lifecycle
        self._finish_events = finish_events
        self._end_connections = end_connections
        self._end_handlers = end_handlers
        self.callers = Callers()
        """The tasks and threads that wait for the end."""
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()  # set when the grace is over early
        self._is_by_signal = False

    @property
    def has_begun(self) -> bool:
        """Whether the client closes or is closed."""
        return self._task is not None

    def begin(self, grace: float, caller: object) -> "asyncio.Task[None]":
        """Return the task that closes the client. The first call begins it; the grace of a later one does nothing.

        Args:
            grace: seconds for handlers to finish.
            caller: the task or thread that waits for the end; None if none does.
        """
        if caller is not None:
            self.callers.add(caller)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._close(grace))
        return self._task

    def begin_for_signal(self, number: signal.Signals, grace: float) -> None:
        """Begin to close because of a signal."""
        LOG.info("%s: closing, within about %g s; a second signal ends the program at once", number.name, grace)
        self._is_by_signal = self._is_by_signal or self._task is None
        self.begin(grace, None)

    async def close(self, grace: float) -> None:
        """Close, and return when nothing is left, also if this is cancelled: then the grace is over at once."""
        if self._task is not None and grace <= 0:  # the first close may have given more; who wants it now gets it
            self._hurry.set()
        task = self.begin(grace, asyncio.current_task())
        try:
            await asyncio.shield(task)  # others wait for it too
        except asyncio.CancelledError:
            self._hurry.set()
            await finished(task)
            raise

    async def _close(self, grace: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._lifecycle.stop(max(grace, _STOP_GRACE), self._hurry)
        finally:
            left = grace - (loop.time() - began)
            try:
                if self._is_by_signal and left > 0:
                    await unless_hurried(self._finish_events(left, self.callers), self._hurry)
                    left = grace - (loop.time() - began)
            finally:
                await self._end_all(left)

    async def _end_all(self, left: float) -> None:
        try:
            await self._end_connections()
        finally:
            # The second time for what the first one, cut off, left at work.
            if left <= 0 or not await unless_hurried(self._end_handlers(left, self.callers), self._hurry):
                await self._end_handlers(0.0, self.callers)
