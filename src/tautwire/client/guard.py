"""How one failure stays one, and how an end waits for all that belongs to it.

The supervisor, the connections and the delivery call one another and code of users. ``isolated`` is how they do it
where something else has to happen afterwards in any case. ``finished`` is how they wait where returning early would
leave something behind.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple, Unpack

from tautwire.client.log import LOG

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def isolated(step: Callable[[Unpack[Ts]], object], *args: *Ts) -> bool:
    """Call ``step``. What it raises is logged and goes no further; return whether it was carried out.

    For what must not raise, so that a defect costs this step and none of those that follow.
    """
    try:
        step(*args)
    except Exception:  # noqa: BLE001 (a defect of ours: never silent, and what follows is done all the same)
        LOG.exception("a defect: %s was not carried out", getattr(step, "__qualname__", step))
        return False
    return True


def check_loop(home: asyncio.AbstractEventLoop) -> None:
    """Check that the caller runs on the loop that a client belongs to: elsewhere its futures would never be done.

    Raises:
        RuntimeError: it runs on another one.
    """
    if home.is_closed():
        raise RuntimeError("the client belongs to an event loop that was closed before the client; make a new client")
    if home is not asyncio.get_running_loop():
        raise RuntimeError(
            "the client runs on another event loop; call it there with "
            "asyncio.run_coroutine_threadsafe(client.say(…), loop), or use BlockingRTMClient"
        )


async def finished(task: "asyncio.Task[T]") -> T:
    """Wait until a task is done and return its result. A cancellation of the caller is passed on only then.

    Also if it comes again and again: anyio cancels a task at each of its awaits until its scope is left.
    """
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return task.result()
