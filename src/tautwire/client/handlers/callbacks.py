"""Handlers of everything but events: raw text, states, errors, closes, gaps, fillings; and reports of failures.

Every failure goes to the log, and to the error handlers: what a handler raises, a frame that cannot be read, an attempt
to connect that fails, a frame that is refused.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from tautwire.client.backpressure import UNMEASURED, Backpressure
from tautwire.client.errors import (
    BackfillIncomplete,
    ConnectError,
    EventsDropped,
    SendRefused,
    UnreadableFrame,
    ViewIncomplete,
)
from tautwire.client.handlers.arguments import spread
from tautwire.client.handlers.binding import Binding, Options, Report
from tautwire.client.log import LOG
from tautwire.client.metrics import Metrics
from tautwire.client.notices import Backfilled, ClientState, Closed, Gap
from tautwire.protocol.events import Event, MalformedEvent
from tautwire.session.members import FrameError

T = TypeVar("T")

_MAX_KINDS: Final = 50
"""Kinds of unreadable frames that get a line in the log."""


class HandlerList(Generic[T]):
    """Handlers that all get every item, in the order they were added. Adding and removing is safe from any thread.

    With ``spread`` an item is a tuple of arguments. Unless they ``pause``, items that are too many are dropped.
    """

    def __init__(self, report: Report, flow: Backpressure, *, spread: bool = False, pauses: bool = False) -> None:
        self._report = report
        self._flow = flow
        self._options = Options(overflow="pause" if pauses else "drop_newest")
        self._spread = spread
        self._metrics: Metrics | None = None
        self._lock = threading.Lock()
        self.bindings: tuple[Binding[T], ...] = ()
        """What is registered now."""

    def __bool__(self) -> bool:
        return bool(self.bindings)

    def add(self, handler: Callable[..., Any]) -> Binding[T]:
        """Register a handler."""
        call = spread(handler) if self._spread else None
        binding: Binding[T] = Binding(handler, handler, self._options, self._report, self._flow, call=call)
        with self._lock:
            if self._metrics is not None:
                binding.measure(self._metrics)
            self.bindings = (*self.bindings, binding)
        return binding

    def measure(self, metrics: Metrics) -> None:
        """Report every run; called before the first item."""
        with self._lock:
            self._metrics = metrics
            for binding in self.bindings:
                binding.measure(metrics)

    def remove(self, handler: object) -> bool:
        """Take out a binding, or every registration of a handler; return False if there was none."""
        with self._lock:
            gone = [each for each in self.bindings if each is handler or each.handler == handler]
            self.bindings = tuple(each for each in self.bindings if each not in gone)
        for binding in gone:  # outside of the lock: it wakes other threads
            binding.abort()
        return bool(gone)

    def publish(self, item: T) -> None:
        """Give an item to all handlers, each in its own way and in order."""
        for binding in self.bindings:
            binding.deliver(item)


class Callbacks:
    """The handler lists of one client. Handlers are added from any thread; the reports are made on the client's loop.

    Args:
        flow: stops the reader when the queue of a raw-text handler is full.
        metrics: measures every run of a handler; None for no measurements.
    """

    def __init__(self, flow: Backpressure, metrics: Metrics | None = None) -> None:
        self.raw: HandlerList[str] = HandlerList(self.handler_failed, flow, pauses=True)
        self.errors: HandlerList[tuple[BaseException, Event | None]] = HandlerList(
            self.handler_failed, flow, spread=True
        )
        self.closes: HandlerList[Closed] = HandlerList(self.handler_failed, flow)
        self.gaps: HandlerList[Gap] = HandlerList(self.handler_failed, flow)
        self.fillings: HandlerList[Backfilled] = HandlerList(self.handler_failed, flow)
        self.states: HandlerList[ClientState] = HandlerList(self.handler_failed, flow)
        self._flow = flow
        self._lists: tuple[HandlerList[Any], ...] = (
            self.raw,
            self.states,
            self.closes,
            self.gaps,
            self.fillings,
            self.errors,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._unreadable: set[str] = set()  # kinds of faults that are in the log
        if metrics is not None:
            for each in self._lists:
                each.measure(metrics)

    @property
    def bindings(self) -> list[Binding[Any]]:
        """The handlers of all lists."""
        return [binding for each in self._lists for binding in each.bindings]

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop of the client; None before it first connects."""
        return self._loop

    def use_running_loop(self) -> None:
        """Call error handlers on the running loop from now on, also for failures in threads."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def frame_received(self, frame: bytes) -> None:
        """Give a text message to the raw-text handlers."""
        self._flow.frame = frame
        self.raw.publish(frame.decode(errors="replace"))
        self._flow.frame = UNMEASURED

    def handler_failed(self, error: BaseException, item: Any, binding: Binding[Any]) -> None:
        """Report what a handler raised: to the log, and to the error handlers unless it is one of them.

        Called on the loop or in the handler's thread.
        """
        if isinstance(error, EventsDropped):
            LOG.error("%s", error)
        else:
            LOG.error("handler %s failed", binding.name, exc_info=error)
        if binding in self.errors.bindings or not self.errors:  # its own failure would come back to it for ever
            return
        report = (error, item if isinstance(item, Event) else None)
        if threading.get_ident() == self._thread:
            self.errors.publish(report)
        elif self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.errors.publish, report)

    def unreadable(self, event: MalformedEvent) -> None:
        """Report a frame that cannot be read: each to the error handlers, one of each kind to the log."""
        error = UnreadableFrame(event.reason)
        kind = event.reason.partition(" (")[0]  # what follows is the place in the frame
        if kind not in self._unreadable and len(self._unreadable) < _MAX_KINDS:
            self._unreadable.add(kind)
            LOG.warning("%s; %d bytes; more of this kind are not logged", error, len(event.raw))
        self.errors.publish((error, event))

    def connect_failed(self, error: ConnectError) -> None:
        """Report an attempt to connect that failed to the error handlers; the supervisor logs it."""
        self.errors.publish((error, None))

    def refused(self, error: SendRefused | FrameError | BackfillIncomplete | ViewIncomplete) -> None:
        """Report a frame that was refused and whose sender awaits no reply, or a list that could not be read."""
        LOG.warning("%s", error)
        self.errors.publish((error, None))
