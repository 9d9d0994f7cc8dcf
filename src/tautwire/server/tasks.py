"""Tasks that run as long as a server, a gateway or a workspace: how they are ended, and the sweep once a second.

Also what a thread opens for one of them.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, ParamSpec, Protocol, TypeVar

log = logging.getLogger("tautwire.server")

SWEEP_INTERVAL: Final = 1.0
"""Seconds between two sweeps."""


class Closable(Protocol):
    """Has to be closed once it is open."""

    def close(self) -> None:
        """Close it."""


P = ParamSpec("P")
C = TypeVar("C", bound=Closable)


async def sweep_forever(*sweeps: Callable[[], None]) -> None:
    """Call the sweeps about once a second; one that fails is logged, and ends neither the others nor later ones."""
    while True:
        await asyncio.sleep(SWEEP_INTERVAL)
        for sweep in sweeps:
            try:
                sweep()
            except Exception:
                log.exception("a sweep failed; the next one follows")


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended; an error that ended it before is raised."""
    task.cancel()
    await asyncio.wait({task})  # awaiting the task itself could not tell its cancellation from that of the caller
    if not task.cancelled():
        task.result()


async def all_of(*steps: Awaitable[None]) -> None:
    """Take steps at the same time. When all have ended, also after a cancellation, the first error is raised."""
    for failure in await asyncio.gather(*steps, return_exceptions=True):
        if failure is not None:
            raise failure


async def open_in_thread(make: Callable[P, C], *args: P.args, **kwargs: P.kwargs) -> C:
    """Return what ``make`` opens in a thread.

    A thread cannot be cancelled. If the caller is cancelled, what the thread then opens is closed.
    """
    opening = asyncio.ensure_future(asyncio.to_thread(make, *args, **kwargs))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_opened)
        raise


def _close_opened(opening: asyncio.Future[C]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
