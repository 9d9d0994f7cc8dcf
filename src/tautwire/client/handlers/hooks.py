"""Functions of a client's life: where they are added, on a client or on a dispatcher, and where they are kept.

``client/lifecycle/lifecycle`` says when they run.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.binding import Binding, Report
from tautwire.client.handlers.callbacks import HandlerList
from tautwire.client.handlers.jobs import Job
from tautwire.client.handlers.registration import Registration, check_takes
from tautwire.client.handlers.steps import Function, Step
from tautwire.client.metrics import Metrics
from tautwire.client.notices import Ready
from tautwire.client.settings import check_seconds

Hook = TypeVar("Hook", bound=Callable[[], object])
ReadyHook = TypeVar("ReadyHook", bound=Callable[[Ready], object])


class Hooks:
    """The functions of one client's life. They are added and removed from any thread.

    Args:
        report: gets what they raise.
        flow: the client's.
    """

    def __init__(self, report: Report, flow: Backpressure) -> None:
        self.starts: tuple[Step, ...] = ()
        self.stops: tuple[Step, ...] = ()
        self.jobs: tuple[Job, ...] = ()
        self.ready: HandlerList[Ready] = HandlerList(report, flow)
        self._report = report
        self._flow = flow
        self._lock = threading.Lock()
        self._metrics: Metrics | None = None
        self._loop: asyncio.AbstractEventLoop | None = None  # once jobs run
        self._is_over = False

    @property
    def bindings(self) -> list[Binding[Any]]:
        """All that has to be closed with the client."""
        steps = (*self.starts, *self.stops, *(each.step for each in self.jobs))
        return [*self.ready.bindings, *(each for step in steps for each in step.bindings)]

    def measure(self, metrics: Metrics) -> None:
        """Report each run of a ready handler or job; called before the first run."""
        self.ready.measure(metrics)
        with self._lock:
            self._metrics = metrics
            for job in self.jobs:
                job.measure(metrics)

    def add_start(self, function: Function) -> None:
        """Run a function before the first connection."""
        step = Step(function, self._report, self._flow, raises=True)
        with self._lock:
            self.starts = (*self.starts, step)

    def add_stop(self, function: Function) -> None:
        """Run a function when the client closes."""
        step = Step(function, self._report, self._flow)
        with self._lock:
            self.stops = (*self.stops, step)

    def add_job(self, function: Function, seconds: float, *, at_once: bool) -> None:
        """Run a function every so often.

        Raises:
            ConfigError: the seconds are no positive number.
        """
        check_seconds("seconds", seconds)
        job = Job(Step(function, self._report, self._flow), seconds, at_once=at_once)
        with self._lock:
            if self._metrics is not None:
                job.measure(self._metrics)
            self.jobs = (*self.jobs, job)
            loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._begin, job)

    def remove_job(self, function: Function) -> bool:
        """Run a function no more; return False if it was no job."""
        with self._lock:
            gone = [each for each in self.jobs if each.step.function == function]
            self.jobs = tuple(each for each in self.jobs if each not in gone)
            loop = self._loop
        for job in gone:
            job.step.abort()
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(job.retire)
        return bool(gone)

    def begin_jobs(self) -> None:
        """Begin to run the jobs, those that are added later as well. Called on the loop; once is enough."""
        with self._lock:
            if self._loop is not None:
                return
            self._loop = asyncio.get_running_loop()
            jobs = self.jobs
        for job in jobs:
            self._begin(job)

    def retire_jobs(self) -> "list[asyncio.Task[None]]":
        """Begin no run of a job any more; return the tasks that end. Runs that are under way go on."""
        self._is_over = True
        return [task for task in (job.retire() for job in self.jobs) if task is not None]

    def _begin(self, job: Job) -> None:
        if job in self.jobs and not self._is_over:
            job.begin()


class HookDecorators:
    """The decorators of a client's life, the same on a client and on a dispatcher.

    Coroutine functions run on the client's loop, plain ones in a thread.
    """

    hooks: Hooks
    """What was added; not for users."""

    def on_start(self, function: Hook) -> Hook:
        """Run the decorated function before the first connection: to open what the handlers need.

        It takes no arguments and runs once, at the first ``run``, ``connect``, ``reconnect`` or ``async with``; several
        run one after the other. What it raises is raised there, and nothing is connected; the next call runs all of
        them again.
        """
        check_takes(function, "on_start", 0, "no arguments")
        self.hooks.add_start(function)
        return function

    def on_stop(self, function: Hook) -> Hook:
        """Run the decorated function when the client begins to close: to say goodbye, and to close what was opened.

        It takes no arguments. Several run at once, while handlers work and the connection is up, if there is one. They
        get the ``grace`` of ``close``, but one second at least; what runs longer is cancelled. They run only if the
        on_start handlers ran, to the end or not, or there was a first connection attempt. What one raises is reported
        as if by a handler.
        """
        check_takes(function, "on_stop", 0, "no arguments")
        self.hooks.add_stop(function)
        return function

    def on_ready(self, function: ReadyHook) -> ReadyHook:
        """Call the decorated function with a ``Ready`` after each hello; see ``add_ready_handler``."""
        self.add_ready_handler(function)
        return function

    def every(self, seconds: float, *, at_once: bool = False) -> Callable[[Hook], Hook]:
        """Run the decorated function every so many seconds, from the first hello until the client closes.

        It takes no arguments. It runs while the client is away as well. It never runs twice at once: runs that come due
        during a long one are left out. What it raises is reported as if by a handler, and the next run comes in its
        time. A run that is under way when the client closes gets the grace of a handler.

        Args:
            seconds: from the beginning of one run to the beginning of the next.
            at_once: whether the first run begins with the hello instead of ``seconds`` later.

        Raises:
            ConfigError: ``seconds`` is not a positive number.
            TypeError: the decorator is used without ``(seconds)``, or the function takes arguments.
        """
        if callable(seconds):
            raise TypeError("every() needs a number of seconds: write @client.every(60)")

        def add(function: Hook) -> Hook:
            check_takes(function, "every", 0, "no arguments")
            self.hooks.add_job(function, seconds, at_once=at_once)
            return function

        return add

    def remove_job(self, function: Callable[[], object]) -> bool:
        """Take a job of ``every`` out; return False if it was not there. A run that is under way goes on."""
        return self.hooks.remove_job(function)

    def add_ready_handler(self, handler: Callable[[Ready], object]) -> Registration:
        """Call ``handler`` with a ``Ready`` after each hello: the first, and each time another connection took over."""
        check_takes(handler, "on_ready", 1, "one argument, a Ready")
        return Registration(self.hooks.ready.add(handler), self.hooks.ready.remove)

    def remove_ready_handler(self, handler: Callable[[Ready], object]) -> bool:
        """Take a ready handler out; return False if it was not there."""
        return self.hooks.ready.remove(handler)
