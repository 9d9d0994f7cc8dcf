"""Which events a handler is for, and what is said about those that can never come."""

import json
from typing import Any

import pytest

from tautwire import AnyMessage, Event, MessageBotEvent, MessageEvent, UnknownEvent, UserTypingEvent
from tautwire.client.handlers import event_types
from tautwire.client.handlers.event_types import (
    EVERYTHING,
    LEFT_OVER,
    Target,
    kind_of,
    targets_of,
    wanted_by,
)
from tautwire.protocol.codec import decode_event
from tautwire.protocol.events import CATALOGUE, MalformedEvent


def event(**members: Any) -> Event:
    found = decode_event(json.dumps(members))
    assert isinstance(found, Event)
    return found


SAID = event(type="message", channel="C1", user="U1", text="x", ts="1.000001")
BY_BOT = event(type="message", subtype="bot_message", channel="C1", bot_id="B1", text="x", ts="1.000001")
TYPING = event(type="user_typing", channel="C1", user="U1")
UNKNOWN = event(type="brand_new", x=1)
ODD_MESSAGE = event(type="message", subtype="brand_new", channel="C1")
UNREADABLE = MalformedEvent(type="", reason="no JSON", raw=b"")
ALL = (SAID, BY_BOT, TYPING, UNKNOWN, ODD_MESSAGE, UNREADABLE)


@pytest.mark.parametrize(
    ("wish", "matched"),
    [
        ("*", ALL),
        ("?", ()),
        ("message", (SAID, BY_BOT, ODD_MESSAGE)),
        (("message", None), (SAID,)),
        (("message", "bot_message"), (BY_BOT,)),
        (MessageEvent, (SAID,)),
        (AnyMessage, (SAID, BY_BOT)),
        (UnknownEvent, (UNKNOWN, ODD_MESSAGE)),
        (MalformedEvent, (UNREADABLE,)),
        (Event, ALL),
        (MessageBotEvent | UserTypingEvent, (BY_BOT, TYPING)),
    ],
    ids=repr,
)
def test_a_wish_matches_the_events_it_names(wish: object, matched: tuple[Event, ...]) -> None:
    targets = targets_of(wish)
    assert tuple(each for each in ALL if any(target.matches(each) for target in targets)) == matched


@pytest.mark.parametrize("pair", CATALOGUE, ids=repr)
def test_each_event_of_the_catalogue_can_be_asked_for_by_name_and_by_class(pair: tuple[str, str | None]) -> None:
    event_class = CATALOGUE[pair]
    assert targets_of(pair) == (Target(None, *pair, any_subtype=False),)
    assert targets_of(pair[0]) == (Target(None, pair[0], None, any_subtype=True),)
    assert targets_of(event_class) == (Target(event_class, None, None, any_subtype=False),)


def test_the_names_for_all_and_for_the_rest_are_targets_of_their_own() -> None:
    assert targets_of("*") == (EVERYTHING,)
    assert targets_of("?") == (LEFT_OVER,)


@pytest.mark.parametrize(
    ("about", "kind"),
    [
        (SAID, ("message", None)),
        (BY_BOT, ("message", "bot_message")),
        (UNKNOWN, ("brand_new", None)),
        (ODD_MESSAGE, ("message", "brand_new")),
    ],
)
def test_the_kind_of_an_event_is_that_on_the_wire(about: Event, kind: tuple[str, str | None]) -> None:
    assert kind_of(about) == kind


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        ("mesage", 'there is no event "mesage"; did you mean "message"?'),
        ("bot_message", 'there is no event "bot_message"; did you mean ("message", "bot_message")?'),
        ("message.bot_message", 'did you mean ("message", "bot_message")?'),
        ("message::bot_message", 'did you mean ("message", "bot_message")?'),
        ("zzzz", 'there is no event "zzzz". Pass unknown=True'),
        ("", 'there is no event "".'),
        (("mesage", None), 'did you mean "message"?'),
        (("message", "bot_mesage"), 'with the subtype "bot_mesage"; did you mean "bot_message"?'),
        (("message", "zzzz"), 'there is no event "message" with the subtype "zzzz". Pass unknown=True'),
        (("hello", "bot_message"), 'with the subtype "bot_message": "hello" has none.'),
    ],
)
def test_a_name_that_never_comes_is_refused_with_the_nearest_one(wish: Any, text: str) -> None:
    with pytest.raises(ValueError, match="unknown=True") as caught:
        targets_of(wish)
    assert text in str(caught.value)


def test_a_type_whose_events_all_have_subtypes_has_none_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """No type of today is like that."""
    monkeypatch.setitem(event_types._SUBTYPES, "odd", {"b", "a"})
    with pytest.raises(ValueError, match='no event "odd" without subtype: each has one, such as "a"'):
        targets_of(("odd", None))


@pytest.mark.parametrize(
    ("wish", "target"),
    [
        ("my_event", Target(None, "my_event", None, any_subtype=True)),
        (("my_event", None), Target(None, "my_event", None, any_subtype=False)),
        (("message", "mine"), Target(None, "message", "mine", any_subtype=False)),
    ],
)
def test_a_name_that_only_one_server_knows_is_taken_if_the_program_says_so(wish: Any, target: Target) -> None:
    assert targets_of(wish, unknown=True) == (target,)


@pytest.mark.parametrize("pair", [(), ("message",), ("message", 5), (None, None), ("message", None, None)])
def test_a_pair_must_be_a_type_and_a_subtype(pair: Any) -> None:
    with pytest.raises(TypeError, match="a pair must be a type and a subtype"):
        targets_of(pair, unknown=True)  # which is for names that are names


class NotOfTheWire(Event, frozen=True, kw_only=True):
    """No frame is decoded to this."""


@pytest.mark.parametrize(
    ("wish", "text"),
    [
        (5, "an event must be a class such as MessageEvent or a name"),
        (None, "an event must be a class such as MessageEvent or a name"),
        (len, "on() must be called with an event before it decorates len"),
        (int, "int is no event class"),
        (MessageEvent | None, "NoneType is no event class"),
        (NotOfTheWire, "no event is ever of the class NotOfTheWire"),
    ],
    ids=repr,
)
def test_what_is_no_event_is_refused(wish: object, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        targets_of(wish)
    assert text in str(caught.value)


def test_a_handler_says_what_it_wants_by_attributes_before_its_annotation() -> None:
    class ByClass:
        event_class = UserTypingEvent
        event_type = "message"

        def handle(self, event: MessageEvent) -> None: ...

    class ByName:
        event_type = "message"

        def handle(self, event: UserTypingEvent) -> None: ...

    class ByPair(ByName):
        event_subtype = "bot_message"

    class ByAnnotation:
        def handle(self, event: UserTypingEvent | MessageEvent) -> None: ...

    assert wanted_by(ByClass(), ByClass().handle) is UserTypingEvent
    assert wanted_by(ByName(), ByName().handle) == "message"
    assert wanted_by(ByPair(), ByPair().handle) == ("message", "bot_message")
    assert wanted_by(ByAnnotation(), ByAnnotation().handle) == UserTypingEvent | MessageEvent


def test_attributes_of_a_function_say_nothing() -> None:
    """A decorator may have left them there."""

    def handler(event: MessageEvent) -> None: ...

    handler.event_class = UserTypingEvent  # type: ignore[attr-defined]
    assert wanted_by(handler, handler) is MessageEvent


def test_a_handler_that_says_nothing_is_refused_by_its_name() -> None:
    def plain(event): ...  # type: ignore[no-untyped-def]

    def text(event: str) -> None: ...

    def half(event: MessageEvent | None) -> None: ...

    for handler in (plain, text, half):
        with pytest.raises(TypeError, match=rf"cannot tell which events .*{handler.__name__} is for"):
            wanted_by(handler, handler)
