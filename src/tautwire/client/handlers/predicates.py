"""Conditions for handlers: ``when=`` decides, before an event is queued, whether a handler gets it.

A predicate is made of a plain function of the event, or of others by ``&``, ``|`` and ``~``. The dispatcher asks it in
the reader (``client/handlers/dispatcher``): it must be quick, since it delays everything, and it cannot wait.
"""

import inspect
from collections.abc import Callable
from typing import Any, Final

from tautwire.client.handlers.event_facts import is_from_bot, thread_of, user_of
from tautwire.protocol.events import Event
from tautwire.protocol.events.conversation import conversation_of

When = Callable[[Any], object]
"""What ``when=`` takes: a ``Predicate``, or a plain function that returns True for the events a handler wants."""


class Predicate:
    """A condition that events meet or not. Combine them with ``&`` (and), ``|`` (or) and ``~`` (not).

    Args:
        test: a quick plain function: called with the event, it returns True or False. Also as a decorator.

    Raises:
        TypeError: it is a coroutine function, or does not take exactly the event.
    """

    __slots__ = ("_holds",)

    def __init__(self, test: Callable[[Any], object]) -> None:
        _check(test)
        self._holds: Callable[[Event, str], object] = lambda event, me: test(event)

    def __call__(self, event: Event, me: str = "") -> bool:
        """Return whether an event meets the condition; ``me`` is the user id of the client.

        Raises:
            TypeError: the function returned something else than True or False, such as a coroutine.
        """
        answer = self._holds(event, me)
        if answer is True or answer is False:
            return answer
        if inspect.iscoroutine(answer):
            answer.close()
        raise TypeError(f"a predicate must return True or False, got {answer!r:.100}")

    def __and__(self, other: When) -> "Predicate":
        right = predicate_of(other)
        return _of(lambda event, me: self(event, me) and right(event, me))

    def __or__(self, other: When) -> "Predicate":
        right = predicate_of(other)
        return _of(lambda event, me: self(event, me) or right(event, me))

    def __rand__(self, other: When) -> "Predicate":
        return predicate_of(other) & self

    def __ror__(self, other: When) -> "Predicate":
        return predicate_of(other) | self

    def __invert__(self) -> "Predicate":
        return _of(lambda event, me: not self(event, me))

    def __bool__(self) -> bool:
        raise TypeError("a predicate is neither true nor false by itself: use &, | and ~ instead of and, or and not")


def predicate_of(when: When) -> Predicate:
    """Return a predicate as it is, and a function as a predicate.

    Raises:
        TypeError: it is neither, or a function that cannot serve.
    """
    return when if isinstance(when, Predicate) else Predicate(when)


def _of(holds: Callable[[Event, str], object]) -> Predicate:
    made = Predicate.__new__(Predicate)
    made._holds = holds  # noqa: SLF001 (its own class; the public way takes functions of the event alone)
    return made


def _check(test: object) -> None:
    if not callable(test):
        raise TypeError(f"a predicate must be a function of the event, got {test!r}")
    if inspect.iscoroutinefunction(test) or inspect.iscoroutinefunction(getattr(test, "__call__", None)):  # noqa: B004
        raise TypeError(f"a predicate cannot wait: {test!r} must be a plain function")
    try:
        signature = inspect.signature(test)
    except (TypeError, ValueError):  # written in C
        return
    try:
        signature.bind(None)
    except TypeError as error:
        raise TypeError(f"a predicate is called with the event alone, and {test!r} does not fit: {error}") from None


from_people: Final = _of(lambda event, me: user_of(event) is not None and not is_from_bot(event))
"""A person did it: a user is named, and no bot. What a program does with a person's token counts as the person's."""

from_bots: Final = _of(lambda event, me: is_from_bot(event))
"""A program spoke: the message has a ``bot_id``, or comes from the service itself (``USLACKBOT``)."""

from_me: Final = _of(lambda event, me: user_of(event) == me)
"""The client's own user did it, here or elsewhere. ``~from_me`` keeps a bot from answering itself."""

in_direct: Final = _of(lambda event, me: conversation_of(event).startswith("D"))
"""It happened in a direct message between two."""

in_threads: Final = _of(lambda event, me: thread_of(event) is not None)
"""It happened in a thread: a reply, or a parent that has replies."""


def in_channels(*channels: str) -> Predicate:
    """Return a predicate: it happened in one of these conversations.

    Args:
        channels: their ids, such as ``C024BE91L``.

    Raises:
        ValueError: there is no id, or one is a name.
        TypeError: one is no text.
    """
    return _of(_one_of("in_channels", "C024BE91L", channels, conversation_of))


def from_users(*users: str) -> Predicate:
    """Return a predicate: one of these users did it.

    Args:
        users: their ids, such as ``U023BECGF``.

    Raises:
        ValueError: there is no id, or one is a name.
        TypeError: one is no text.
    """
    return _of(_one_of("from_users", "U023BECGF", users, user_of))


def _one_of(
    name: str, example: str, ids: tuple[str, ...], read: Callable[[Event], str | None]
) -> Callable[[Event, str], bool]:
    if not ids:
        raise ValueError(f'{name} must be given ids: {name}("{example}")')
    for each in ids:
        if not isinstance(each, str):
            raise TypeError(f'{name} takes ids such as "{example}", got {each!r:.100}')
        if not each or each[0] in "#@":
            raise ValueError(f'{name} takes ids such as "{example}", got {each!r}')
    wanted = frozenset(ids)
    return lambda event, me: read(event) in wanted
