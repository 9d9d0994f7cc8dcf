"""The part both clients share for their life: the decorators and handlers of start, ready, state, jobs and stop."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tautwire.client.handlers.binding import Binding
from tautwire.client.handlers.callbacks import Callbacks
from tautwire.client.handlers.dispatcher import Dispatcher, Registration
from tautwire.client.handlers.registry import HandlerRegistry
from tautwire.client.lifecycle.lifecycle import Lifecycle
from tautwire.client.notices import ClientState, Ready

Hook = TypeVar("Hook", bound=Callable[[], object])
ReadyHook = TypeVar("ReadyHook", bound=Callable[[Ready], object])


class LifecycleHooks(HandlerRegistry):
    """Where the functions of a client's life are added and removed, at any time and from any thread.

    Coroutine functions run on the client's loop, plain ones in a thread.
    """

    def __init__(self, dispatcher: Dispatcher, callbacks: Callbacks, lifecycle: Lifecycle) -> None:
        super().__init__(dispatcher, callbacks)
        self.lifecycle = lifecycle
        """When the functions run; not for users."""

    @property
    def _bindings(self) -> list[Binding[Any]]:
        return [*super()._bindings, *self.lifecycle.bindings]

    def on_start(self, function: Hook) -> Hook:
        """Run the decorated function before the first connection: to open what the handlers need.

        It takes no arguments and runs once, at the first ``run``, ``connect``, ``reconnect`` or ``async with``; several
        run one after the other. What it raises is raised there, and nothing is connected; the next call runs all of
        them again.
        """
        _check(function, "on_start", 0, "no arguments")
        self.lifecycle.add_start(function)
        return function

    def on_stop(self, function: Hook) -> Hook:
        """Run the decorated function when the client begins to close: to say goodbye, and to close what was opened.

        It takes no arguments. Several run at once, while handlers work and the connection is up, if there is one. They
        get the ``grace`` of ``close``, but one second at least; what runs longer is cancelled. They run only if the
        on_start handlers ran, to the end or not, or there was a first connection attempt. What one raises is reported
        as if by a handler.
        """
        _check(function, "on_stop", 0, "no arguments")
        self.lifecycle.add_stop(function)
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
            _check(function, "every", 0, "no arguments")
            self.lifecycle.add_job(function, seconds, at_once=at_once)
            return function

        return add

    def remove_job(self, function: Callable[[], object]) -> bool:
        """Take a job of ``every`` out; return False if it was not there. A run that is under way goes on."""
        return self.lifecycle.remove_job(function)

    def add_ready_handler(self, handler: Callable[[Ready], object]) -> Registration:
        """Call ``handler`` with a ``Ready`` after each hello: the first, and each time another connection took over."""
        _check(handler, "on_ready", 1, "one argument, a Ready")
        return Registration(self.lifecycle.ready.add(handler), self.lifecycle.ready.remove)

    def remove_ready_handler(self, handler: Callable[[Ready], object]) -> bool:
        """Take a ready handler out; return False if it was not there."""
        return self.lifecycle.ready.remove(handler)

    def add_state_handler(self, handler: Callable[[ClientState], object]) -> Registration:
        """Call ``handler`` with every new ``ClientState``. By then the client may be in a later one."""
        _check(handler, "state", 1, "one argument, a ClientState")
        return Registration(self.lifecycle.states.add(handler), self.lifecycle.states.remove)

    def remove_state_handler(self, handler: Callable[[ClientState], object]) -> bool:
        """Take a state handler out; return False if it was not there."""
        return self.lifecycle.states.remove(handler)


def _check(function: object, kind: str, count: int, what: str) -> None:
    """Check that a function can be called with so many arguments.

    Raises:
        TypeError: it cannot.
    """
    if not callable(function):
        raise TypeError(f"{kind} needs a function, got {function!r}")
    try:
        signature = inspect.signature(function)
    except ValueError:  # written in C
        return
    try:
        signature.bind(*range(count))
    except TypeError as error:
        name = getattr(function, "__qualname__", repr(function))
        raise TypeError(f"{kind} handlers are called with {what}, unlike {name}{signature}: {error}") from None
