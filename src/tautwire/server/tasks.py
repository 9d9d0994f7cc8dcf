"""Tasks that run as long as a server, a gateway or a workspace: how they are ended, and the sweep once a second."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

log = logging.getLogger("tautwire.server")

SWEEP_INTERVAL: Final = 1.0
"""Seconds between two sweeps."""


async def sweep_forever(*sweeps: Callable[[], None]) -> None:
    """Call the sweeps about once a second; one that fails is logged, and ends neither the others nor later ones."""
    while True:
        await asyncio.sleep(SWEEP_INTERVAL)
        for sweep in sweeps:
            try:
                sweep()
            except Exception:
                log.exception("a sweep failed; the next one follows")


async def cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended; an error that ended it before is raised."""
    task.cancel()
    await asyncio.wait({task})  # awaiting the task itself could not tell its cancellation from that of the caller
    if not task.cancelled():
        task.result()
