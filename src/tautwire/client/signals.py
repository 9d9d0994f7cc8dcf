"""Signals that end a program: ``stopping`` turns the first SIGINT or SIGTERM into a call, and ``waking``, ``result_of``
and ``joined`` see that no wait is deaf to signals.

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
from functools import partial
from time import monotonic
from typing import Any, Final, TypeVar

T = TypeVar("T")

_GLANCE: Final = 0.5
"""Seconds after which a blocked thread looks up."""


_STOPS: Final = (signal.SIGINT, signal.SIGTERM)

Stop = Callable[[signal.Signals], None]

_stops: list[Stop] = []
"""What the first signal calls. Only the main thread is at work on this and the next two."""

_before: dict[signal.Signals, Any] = {}
"""The handlers there were before ours."""


@contextmanager
def stopping(stop: Stop, *, wanted: bool = True) -> Iterator[None]:
    """While this lasts, the first SIGINT or SIGTERM calls ``stop``, and the second does what Python does by default.

    Several may be at it: the first signal calls all of them. Nothing happens outside the main thread, nor for a signal
    that is ignored (as with nohup) or has a handler of the program's own.

    Args:
        stop: called between two instructions of the main thread: it must be short, and neither lock nor log.
        wanted: False does nothing at all.
    """
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield
        return
    _stops.append(stop)
    if len(_stops) == 1:
        for number in _STOPS:
            handler = signal.getsignal(number)
            if _is_default(handler):
                _before[number] = handler
                signal.signal(number, _stop)
    try:
        yield
    finally:
        _stops.remove(stop)
        if not _stops:
            for number, handler in _before.items():
                if signal.getsignal(number) in (_stop, _DEFAULTS[number]):  # else it was changed meanwhile
                    signal.signal(number, handler)
            _before.clear()


def _stop(number: int, _frame: object) -> None:
    for each in _before:
        signal.signal(each, _DEFAULTS[each])
    for stop in tuple(_stops):
        stop(signal.Signals(number))


_DEFAULTS: Final[dict[signal.Signals, Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


def _is_default(handler: object) -> bool:
    """Return whether a signal is left to Python, or to ``asyncio.run``, which cancels its task on SIGINT."""
    if handler in _DEFAULTS.values():
        return True
    method = handler.func if isinstance(handler, partial) else None
    return isinstance(getattr(method, "__self__", None), asyncio.Runner)


@contextmanager
def waking(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """While this lasts, every signal wakes the loop, if it runs in the main thread and no other code arranged it."""
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
            if now != writer.fileno():  # another one's that came later
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
