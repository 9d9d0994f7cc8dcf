"""Lets Ctrl-C through at once, without a signal handler of our own.

Python notes a signal when it arrives and handles it when the main thread runs its next instruction. A signal that comes
just before the main thread begins to wait, or that the system gives to another thread, does not end that wait: the
program would seem deaf until the next packet. ``RTMClient.run`` and the waits of the blocking client use what is here.
"""

import asyncio
import concurrent.futures
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final, TypeVar

T = TypeVar("T")

_GLANCE: Final = 0.5
"""Seconds after which a blocked thread looks up."""


@contextmanager
def waking(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """While this lasts, every signal wakes the loop, if it runs in the main thread and nobody else has seen to that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = _wake_through(writer.fileno())
        if before != -1:  # such as uvloop's, or a loop's with signal handlers
            _wake_through(before)
            yield
            return
        loop.add_reader(reader, reader.recv, 4096)
        try:
            yield
        finally:
            loop.remove_reader(reader)
            now = _wake_through(-1)
            if now != writer.fileno():  # somebody's that came later
                _wake_through(now)


def _wake_through(descriptor: int) -> int:
    return signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)


def result_of(future: "concurrent.futures.Future[T]", *, unless: Callable[[], bool]) -> T:
    """Wait for a future and return its result; a signal is handled within half a second whenever it comes.

    Args:
        future: what is waited for.
        unless: whether it will never come; asked every half second.

    Raises:
        CancelledError: it was cancelled, or will never come.
    """
    while True:
        try:
            return future.result(_GLANCE)
        except TimeoutError:
            if not future.done() and unless() and not future.done():  # it may have come as the last thing
                raise concurrent.futures.CancelledError from None
            if future.done():
                return future.result()


def result_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], *, unless: Callable[[], bool]) -> T:
    """Run a coroutine on the loop of another thread, and wait for its result as ``result_of`` does.

    Raises:
        CancelledError: the loop is closed, or the result will never come.
    """
    try:
        future = asyncio.run_coroutine_threadsafe(work, loop)
    except RuntimeError:  # the loop is closed
        work.close()
        raise concurrent.futures.CancelledError from None
    try:
        return result_of(future, unless=unless)
    except concurrent.futures.CancelledError:
        raise
    except BaseException:  # Ctrl-C, among others: do not leave the work behind
        future.cancel()
        raise


def joined(thread: threading.Thread, until: float) -> bool:
    """Wait for a thread to end until a time of ``monotonic``, open to signals likewise; return whether it ended."""
    while thread.is_alive() and (left := until - monotonic()) > 0:
        thread.join(min(_GLANCE, left))
    return not thread.is_alive()
