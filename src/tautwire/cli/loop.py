"""The event loop of the commands, and the signals that end one."""

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, TypeVar

from tautwire.server.tasks import cancel

T = TypeVar("T")

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger("tautwire.server")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine, on uvloop if it is installed; return its result."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def reload_signal(stop: asyncio.Event) -> asyncio.Event:
    """Return an event that each SIGHUP sets: the time to read settings anew.

    A terminal that goes away sends SIGHUP as well. Then ``stop`` is set, as nothing can stop the process from there.
    """
    asked = asyncio.Event()
    has_terminal = os.isatty(0)

    def hang_up() -> None:
        (stop if has_terminal and not os.isatty(0) else asked).set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)
    return asked


def stop_signal() -> asyncio.Event:
    """Return an event that the first SIGINT or SIGTERM sets: the time to begin an orderly stop.

    A second signal has its default effect, so a process that hangs can be ended.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        log.info("stopping; a second signal ends the process at once")
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, end)
    return stop


async def entered(stack: AsyncExitStack, manager: AbstractAsyncContextManager[T], stop: asyncio.Event) -> T | None:
    """Enter a server or gateway into ``stack``, and return it; None if ``stop`` is set before it is started.

    A start may wait long for a database or the upstream; ``stop`` cancels it.
    """
    entering = asyncio.create_task(stack.enter_async_context(manager))
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((entering, asked), return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        if not entering.done():
            await cancel(entering)
    return None if entering.cancelled() else entering.result()
