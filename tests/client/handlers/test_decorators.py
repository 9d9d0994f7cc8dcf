"""The decorator ``on``: what it checks at once, what it passes on, and that it leaves the function alone."""

from typing import Any

import pytest

from tautwire import Event, MessageEvent
from tautwire.client.handlers.decorators import Decorators


class Registered(Decorators):
    """Keeps what is registered."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, object, dict[str, Any], bool]] = []

    def _register(self, handler: Any, event: object, options: Any, *, unknown: bool) -> object:
        self.calls.append((handler, event, dict(options), unknown))
        return "what the decorator does not return"


@pytest.fixture
def registered() -> Registered:
    return Registered()


def handler(event: Event) -> None: ...


@pytest.mark.parametrize("event", [MessageEvent, "message", ("message", None), "*", "?"], ids=repr)
def test_the_function_is_registered_and_returned_as_it_was(registered: Registered, event: Any) -> None:
    assert registered.on(event)(handler) is handler
    assert registered.calls == [(handler, event, {}, False)]


def test_options_are_passed_on(registered: Registered) -> None:
    registered.on("my_event", unknown=True, inline=True, limit=5)(handler)
    assert registered.calls == [(handler, "my_event", {"inline": True, "limit": 5}, True)]


def test_one_decorator_registers_each_function_it_is_put_on(registered: Registered) -> None:
    def other(event: Event) -> None: ...

    decorator = registered.on("hello")
    decorator(handler)
    decorator(other)
    assert [each[0] for each in registered.calls] == [handler, other]


def test_decorators_may_be_stacked_and_the_lowest_registers_first(registered: Registered) -> None:
    @registered.on("hello")
    @registered.on("goodbye")
    def both(event: Event) -> None: ...

    assert [each[:2] for each in registered.calls] == [(both, "goodbye"), (both, "hello")]


@pytest.mark.parametrize(
    ("event", "error", "text"),
    [
        ("mesage", ValueError, 'did you mean "message"'),
        (("message", "zzzz"), ValueError, "unknown=True"),
        (5, TypeError, "an event must be a class"),
        (handler, TypeError, "must be called with an event before it decorates handler"),
    ],
    ids=["name", "pair", "number", "no parentheses"],
)
def test_a_mistake_is_raised_before_there_is_a_function(
    registered: Registered, event: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        registered.on(event)
    assert registered.calls == []


def test_what_the_registration_refuses_is_raised_at_the_function() -> None:
    """A class that forgot to say how is a mistake too."""
    decorator = Decorators().on("hello")
    with pytest.raises(NotImplementedError):
        decorator(handler)
