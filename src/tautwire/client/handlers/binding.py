"""A user's function and the way it is run, and the plain lists of such functions.

Three ways (``Options``): coroutine functions run as ordered work on the loop, plain functions in threads, and plain
functions marked ``inline`` in the reader itself, where they must be quick. What a handler raises never leaves this
module: it goes to the ``report`` function of the owner, with the item the handler was given.

The dispatcher picks event handlers (``client/handlers/dispatcher``); ``HandlerList`` serves the kinds that need no
picking: raw text, errors, closes, gaps.
"""

import asyncio
import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, Generic, NamedTuple, TypedDict, TypeVar, get_args

from tautwire.client.backpressure import Backpressure
from tautwire.client.errors import EventsDropped
from tautwire.client.handlers.predicates import When
from tautwire.client.handlers.queue import Limits, Overflow
from tautwire.client.handlers.workers import Callers, HandlerQueue, TaskQueue, ThreadQueue
from tautwire.client.metrics import Metrics, Run

T = TypeVar("T")

TASKS: Final = 16
"""Conversations an async handler works on at once, unless told otherwise."""

THREADS: Final = 4
"""Conversations a plain handler works on at once, unless told otherwise; each costs a thread while it is busy."""

LIMIT: Final = 20_000
"""Items that may wait for one handler, unless told otherwise."""

LIMIT_BYTES: Final = 64 * 1024 * 1024
"""Bytes of the frames of these items, unless told otherwise."""


class _Stamped(NamedTuple):
    """An item that is measured on its way."""

    item: Any
    came_at: float


Report = Callable[[BaseException, Any, "Binding[Any]"], None]
"""Who hears of a failure: the exception, the item the handler had, and the binding of the handler."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a handler is run.

    Args:
        inline: call it in the reader, before the next event: fastest, but a slow one delays everything.
            Only for plain functions.
        concurrency: conversations worked on at once; 1 gives the order of arrival over all conversations.
            None for the default (16 for coroutine functions, 4 threads for plain ones).
        limit: items that may wait, but for those that come in one read of the socket.
        limit_bytes: bytes of the frames they came in that may wait. An event takes two or three times as much memory.
        overflow: what happens when more come. ``"pause"``: nothing is lost; the client reads no more from its socket,
            for any handler, until half of them ran. While the reply to a frame of ours is awaited it reads on, up to
            ``limit_bytes``; without that, reading stops at half of it. ``"drop_newest"`` drops what comes,
            ``"drop_oldest"`` what waits longest, for where only what is fresh matters. Each item that is dropped is
            counted; the first is reported, and again after the queue was half empty.
        timeout: seconds after which a coroutine function is cancelled; None for never. Threads cannot be cancelled.

    Raises:
        ValueError: a number is not positive, or ``overflow`` is neither.
    """

    inline: bool = False
    concurrency: int | None = None
    limit: int = LIMIT
    limit_bytes: int = LIMIT_BYTES
    overflow: Overflow = "pause"
    timeout: float | None = None

    def __post_init__(self) -> None:
        for name in ("concurrency", "limit", "limit_bytes", "timeout"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be more than 0, got {value!r}")
        if self.overflow not in get_args(Overflow):
            raise ValueError(f"overflow must be one of {', '.join(get_args(Overflow))}, got {self.overflow!r}")


class HandlerOptions(TypedDict, total=False):
    """``Options`` as keyword arguments, and ``when``: a predicate that decides which events the handler gets."""

    when: When | None
    inline: bool
    concurrency: int | None
    limit: int
    limit_bytes: int
    overflow: Overflow
    timeout: float | None


class Binding(Generic[T]):
    """One handler, ready to be given items.

    Args:
        handler: what the user registered.
        function: what is called: the handler itself, or its ``handle`` method.
        options: how it is run.
        report: hears of failures.
        flow: tells the reader when the queue is full.
        key_of: tells which conversation an item belongs to; without it they all belong to one.
        call: what is called with an item, and calls the function; without it the function itself.

    Raises:
        ValueError: the options do not fit the kind of function.
    """

    __slots__ = (
        "_call",
        "_flow",
        "_is_async",
        "_key_of",
        "_metrics",
        "_options",
        "_report",
        "handler",
        "name",
        "queue",
        "take",
    )

    def __init__(
        self,
        handler: object,
        function: Callable[..., Any],
        options: Options,
        report: Report,
        flow: Backpressure,
        *,
        key_of: Callable[[T], Hashable] | None = None,
        call: Callable[[Any], Any] | None = None,
    ) -> None:
        self.handler = handler
        self.name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
        self._call: Callable[[Any], Any] = call or function
        self._key_of: Callable[[Any], Hashable] = _no_key if key_of is None or options.concurrency == 1 else key_of
        self._report = report
        self._flow = flow
        self._options = options
        self._is_async = is_async(function)
        self._metrics: Metrics | None = None
        self.queue: HandlerQueue[Any] | None = self._make_queue(options)
        self.take: Callable[[T], object] = self._call if self.queue is None else self.queue.put
        """Runs the handler for an item, or queues the item behind the earlier ones of its conversation. What an inline
        handler raises comes out of it; ``deliver`` catches that."""

    def measure(self, metrics: Metrics) -> None:
        """Tell of every run. Has to come before the first item; does nothing the second time."""
        if self._metrics is None:
            self._metrics = metrics
            measured = _measured_async if self._is_async else _measured
            self._call = measured(self._call, self.name, metrics)
            key_of = self._key_of
            # Items carry the time they came from here on, so what looks at them is wrapped, and the queue made anew.
            self._key_of = lambda stamped: key_of(stamped.item)
            self.queue = self._make_queue(self._options)
            take = self._call if self.queue is None else self.queue.put
            self.take = lambda item: take(_Stamped(item, monotonic()))

    def deliver(self, item: T) -> None:
        """Run the handler for an item, now or behind the earlier items of its conversation."""
        try:
            result = self.take(item)
            if result is not None:
                refuse_coroutine(result)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (also SystemExit, or what pytest.fail raises)
            self.failed(error, item)

    def _overflowed(self, dropped: T, count: int) -> None:
        if self._metrics is not None:
            self._metrics.event_dropped(self.name)
        if count:
            self.failed(EventsDropped(self.name, count), dropped)

    def failed(self, error: BaseException, item: T) -> None:
        """Pass on what the handler raised."""
        self._report(error, item.item if isinstance(item, _Stamped) else item, self)

    def _make_queue(self, options: Options) -> HandlerQueue[Any] | None:
        if options.inline:
            if self._is_async:
                raise ValueError("inline=True is for plain functions: the reader cannot wait for a coroutine")
            return None
        limits = Limits(options.limit, options.limit_bytes, options.overflow)
        if self._is_async:
            run = self._call if options.timeout is None else _limited(self._call, options.timeout)
            return TaskQueue(
                run,
                self.failed,
                self._overflowed,
                name=self.name,
                key_of=self._key_of,
                concurrency=options.concurrency or TASKS,
                limits=limits,
                flow=self._flow,
            )
        if options.timeout is not None:
            raise ValueError("timeout is for coroutine functions: a thread cannot be stopped from outside")
        return ThreadQueue(
            _checked(self._call),
            self.failed,
            self._overflowed,
            name=self.name,
            key_of=self._key_of,
            concurrency=options.concurrency or THREADS,
            limits=limits,
            flow=self._flow,
        )

    def abort(self) -> None:
        """Take nothing more and forget what waits; the run that is under way goes on."""
        if self.queue is not None:
            self.queue.abort()

    async def close(self, grace: float, callers: Callers) -> bool:
        """Let what waits finish for ``grace`` seconds, then end the workers; False if one does not end."""
        return self.queue is None or await self.queue.close(grace, callers)


def _no_key(_item: object) -> None:
    """All items are of one conversation."""


def is_async(call: Callable[..., object]) -> bool:
    """Return whether a function is a coroutine function."""
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004


def _limited(call: Callable[[T], Any], seconds: float) -> Callable[[T], Any]:
    async def run(item: T) -> None:
        # Around the measured call: a run that is cut off is measured with the CancelledError the function met.
        async with asyncio.timeout(seconds):
            await call(item)

    return run


def refuse_coroutine(result: object) -> None:
    """Refuse what a plain function returned if it is a coroutine: it would never run.

    Raises:
        TypeError: this is one.
    """
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("a plain handler returned a coroutine; make it an async function")


def _checked(call: Callable[[T], Any]) -> Callable[[T], object]:
    return lambda item: refuse_coroutine(call(item))


def _measured(call: Callable[[Any], Any], name: str, metrics: Metrics) -> Callable[[Any], Any]:
    def run(stamped: _Stamped) -> Any:
        began, error = monotonic(), None
        try:
            return call(stamped.item)
        except BaseException as raised:
            error = raised
            raise
        finally:
            metrics.handler_ran(Run(name, stamped.item, began - stamped.came_at, monotonic() - began, error))

    return run


def _measured_async(call: Callable[[Any], Any], name: str, metrics: Metrics) -> Callable[[Any], Any]:
    async def run(stamped: _Stamped) -> None:
        began, error = monotonic(), None
        try:
            await call(stamped.item)
        except BaseException as raised:
            error = raised
            raise
        finally:
            metrics.handler_ran(Run(name, stamped.item, began - stamped.came_at, monotonic() - began, error))

    return run
