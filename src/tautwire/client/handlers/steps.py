"""A user's function without arguments: run as a handler is, but its end is awaited.

A coroutine function runs on the loop, a plain one in a thread. ``client/lifecycle/lifecycle`` says when.
"""

import asyncio
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.binding import Binding, Report, is_async, refuse_coroutine
from tautwire.client.handlers.callbacks import HandlerList
from tautwire.client.metrics import Metrics, Run

Function = Callable[[], object]


class Step:
    """One function, ready to be run.

    Args:
        function: a coroutine function or a plain one, without arguments.
        report: gets what the function raises.
        flow: the client's; a step never fills a queue.
        raises: whether ``run`` raises what the function raises, instead of reporting it.
    """

    def __init__(self, function: Function, report: Report, flow: Backpressure, *, raises: bool = False) -> None:
        self.function = function
        self.name: str = getattr(function, "__qualname__", None) or type(function).__qualname__
        self._raises = raises
        self._metrics: Metrics | None = None
        self._due = 0.0  # when the run under way was due, by monotonic
        self._runner: object = None
        self._report = report
        self._handlers: HandlerList[asyncio.Future[None]] = HandlerList(self._failed, flow)
        call = self._async_call() if is_async(function) else self._plain_call()
        call.__qualname__ = self.name
        self._handlers.add(call)

    @property
    def bindings(self) -> tuple[Binding[Any], ...]:
        """What has to be closed with the client."""
        return self._handlers.bindings

    def is_run_by(self, runner: object) -> bool:
        """Return whether this task or thread is at work on the function now."""
        return runner is not None and runner is self._runner

    def abort(self) -> None:
        """Run the function no more, and forget a run that waits; one that is under way goes on."""
        for binding in self.bindings:
            self._handlers.remove(binding)

    def measure(self, metrics: Metrics) -> None:
        """Report each run. Has to come before the first one."""
        self._metrics = metrics

    async def run(self, late: float = 0.0) -> None:
        """Run the function and wait for its end. If this is cancelled, the function goes on until the client closes.

        Args:
            late: seconds since the run was due, for the metrics.
        """
        self._due = monotonic() - late
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._handlers.publish(done)
        await done

    def _async_call(self) -> Callable[["asyncio.Future[None]"], Any]:
        function: Callable[[], Any] = self.function

        async def call(done: "asyncio.Future[None]") -> None:
            self._runner = asyncio.current_task()
            began = monotonic()
            raised: BaseException | None = None
            try:
                await function()
            except asyncio.CancelledError as cancelled:  # raised on: it may be the worker that is to end
                raised = cancelled
                _settle(done, cancelled if self._raises else None)
                raise
            except BaseException as error:
                raised = error
                if not self._raises:
                    raise
                _settle(done, error)
            else:
                _settle(done, None)
            finally:
                self._runner = None
                self._ran(began, raised)

        return call

    def _plain_call(self) -> Callable[["asyncio.Future[None]"], Any]:
        def call(done: "asyncio.Future[None]") -> None:
            self._runner = threading.current_thread()
            began, raised = monotonic(), None
            try:
                refuse_coroutine(self.function())
            except BaseException as error:
                raised = error
                if not self._raises:
                    raise
                _settle_from_thread(done, error)
            else:
                _settle_from_thread(done, None)
            finally:
                self._runner = None
                self._ran(began, raised)

        return call

    def _ran(self, began: float, error: BaseException | None) -> None:
        if self._metrics is not None:
            self._metrics.handler_ran(Run(self.name, None, began - self._due, monotonic() - began, error))

    def _failed(self, error: BaseException, done: "asyncio.Future[None]", binding: Binding[Any]) -> None:
        """Report what the function raised, and only then end the wait: a client that closes would miss the report."""
        self._report(error, None, binding)
        _settle_from_thread(done, None)


def _settle_from_thread(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    """End the wait for a function, from any thread."""
    loop = done.get_loop()
    if not loop.is_closed():  # as it may be for a thread that was left behind
        loop.call_soon_threadsafe(_settle, done, error)


def _settle(done: "asyncio.Future[None]", error: BaseException | None) -> None:
    """End the wait for a function. On the loop."""
    if done.done():
        return
    if error is None:
        done.set_result(None)
    elif isinstance(error, asyncio.CancelledError):
        done.cancel()
    elif isinstance(error, StopIteration):  # which a future refuses
        done.set_exception(RuntimeError("an on_start handler raised StopIteration"))
    else:
        done.set_exception(error)
