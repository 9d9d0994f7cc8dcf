"""What a program gets for a handler it adds, and the check that the handler can be called at all."""

import inspect
from collections.abc import Callable
from typing import Any

from tautwire.client.handlers.binding import Binding


class Registration:
    """A registered handler: take it out with ``deregister``, or look at how it keeps up."""

    __slots__ = ("_binding", "_remove")

    def __init__(self, binding: Binding[Any], remove: Callable[[object], object]) -> None:
        self._binding = binding
        self._remove = remove

    @property
    def waiting(self) -> int:
        """Items that wait for this handler."""
        return 0 if self._binding.queue is None else self._binding.queue.waiting

    @property
    def dropped(self) -> int:
        """Items this handler never got because its queue was full."""
        return 0 if self._binding.queue is None else self._binding.queue.dropped

    def deregister(self) -> None:
        """Take the handler out; what waits for it is forgotten. Does nothing the second time."""
        self._remove(self._binding)


def check_takes(function: object, kind: str, count: int, what: str) -> None:
    """Check that a function can be called with so many arguments, so that a mistake is raised where it was made.

    Args:
        function: what is to be registered.
        kind: the kind of handler, for the text.
        count: how many arguments it is called with.
        what: what these are, for the text.

    Raises:
        TypeError: it is no function, or takes other arguments.
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
