"""Which events a handler is for: by class, by type name, by a pair of type and subtype, or all of them.

What can never come is refused here, when a handler is registered: a handler that is never called is the hardest mistake
to see.
"""

import difflib
import inspect
from typing import Any, Final, NamedTuple

from tautwire.client.handlers.arguments import first_annotation, members_of
from tautwire.protocol.events import CATALOGUE, Event, MalformedEvent, UnknownEvent

ANY: Final = "*"
"""The name that binds a handler to all events."""

UNHANDLED: Final = "?"
"""The name that binds a handler to events that no other handler took, those for all events left aside."""

Name = str | tuple[str, str | None]
"""A type name (all its subtypes with it), a ``(type, subtype)`` pair (None: no subtype), ``"*"`` or ``"?"``."""

_SUBTYPES: Final[dict[str, set[str | None]]] = {}
for _type, _subtype in CATALOGUE:
    _SUBTYPES.setdefault(_type, set()).add(_subtype)

_CLASSES: Final[tuple[type[Event], ...]] = (*CATALOGUE.values(), UnknownEvent, MalformedEvent)


class Target(NamedTuple):
    """What a handler wants: by class, or by name."""

    event_class: type[Event] | None
    type: str | None
    subtype: str | None
    any_subtype: bool

    def matches(self, event: Event) -> bool:
        """Return whether this is the kind of an event."""
        if self.event_class is not None:
            return isinstance(event, self.event_class)
        if self.type is None:
            return True
        type_, subtype = kind_of(event)
        return type_ == self.type and (self.any_subtype or subtype == self.subtype)


EVERYTHING: Final = Target(None, None, None, any_subtype=True)
LEFT_OVER: Final = Target(None, UNHANDLED, None, any_subtype=True)
"""Matches no event by itself: no type is called so."""


def kind_of(event: Event) -> tuple[str, str | None]:
    """Return the type and subtype an event had on the wire."""
    if isinstance(event, UnknownEvent):
        return event.type, event.subtype
    return event.TYPE, event.SUBTYPE


def targets_of(event: object, *, unknown: bool = False) -> tuple[Target, ...]:
    """Return what ``on(event)`` means.

    Args:
        event: an event class or several joined with ``|``, or a ``Name``.
        unknown: whether names may be unknown.

    Raises:
        TypeError: it is neither a class of events nor a name.
        ValueError: there is no event of the name.
    """
    if isinstance(event, str):
        if event == ANY:
            return (EVERYTHING,)
        if event == UNHANDLED:
            return (LEFT_OVER,)
        if event not in _SUBTYPES and not unknown:
            raise ValueError(_no_such_type(event))
        return (Target(None, event, None, any_subtype=True),)
    if isinstance(event, tuple):
        return (_by_pair(event, unknown=unknown),)
    return tuple(_by_class(each) for each in members_of(event))


def _by_pair(pair: tuple[object, ...], *, unknown: bool) -> Target:
    match pair:
        case (str() as type_, (str() | None) as subtype):
            pass
        case _:
            raise TypeError(f'a pair must be a type and a subtype, as in ("message", "bot_message"), got {pair!r}')
    if not unknown:
        if type_ not in _SUBTYPES:
            raise ValueError(_no_such_type(type_))
        if subtype not in _SUBTYPES[type_]:
            raise ValueError(_no_such_subtype(type_, subtype))
    return Target(None, type_, subtype, any_subtype=False)


def _by_class(event: object) -> Target:
    if not isinstance(event, type):
        if callable(event):
            raise TypeError(
                f"on() must be called with an event before it decorates {_name(event)}: "
                'write @client.on(MessageEvent) or @client.on("message")'
            )
        raise TypeError(f'an event must be a class such as MessageEvent or a name such as "message", got {event!r}')
    if not issubclass(event, Event):
        raise TypeError(f"{event.__name__} is no event class; those of tautwire are, such as MessageEvent")
    if not any(issubclass(known, event) for known in _CLASSES):
        raise TypeError(
            f"no event is ever of the class {event.__name__}, since it is not one of tautwire's: "
            'take a type of your server by its name, as in on("my_event", unknown=True), which gives an UnknownEvent'
        )
    return Target(event, None, None, any_subtype=False)


def _no_such_type(name: str) -> str:
    last = name.replace("::", ".").split(".")[-1]  # other libraries write message.bot_message or message::bot_message
    guess = next(iter(difflib.get_close_matches(name, _SUBTYPES, 1)), None)
    homes = [type_ for type_, subtypes in _SUBTYPES.items() if last in subtypes]
    if homes:
        advice = f'; did you mean ("{homes[0]}", "{last}")?'
    elif guess is not None:
        advice = f'; did you mean "{guess}"?'
    else:
        advice = "."
    return f'there is no event "{name}"{advice} Pass unknown=True for a type that only your server sends'


def _no_such_subtype(type_: str, subtype: str | None) -> str:
    known = sorted(each for each in _SUBTYPES[type_] if each is not None)
    if subtype is None:
        advice = f': each has one, such as "{known[0]}".'
    elif not known:
        advice = f': "{type_}" has none.'
    else:
        guess = next(iter(difflib.get_close_matches(subtype, known, 1)), None)
        advice = "." if guess is None else f'; did you mean "{guess}"?'
    what = "without subtype" if subtype is None else f'with the subtype "{subtype}"'
    return f'there is no event "{type_}" {what}{advice} Pass unknown=True for one that only your server sends'


def wanted_by(handler: object, call: Any) -> object:
    """Return the event class, classes or name that a handler says it is for.

    Raises:
        TypeError: it says nothing.
    """
    if not inspect.isroutine(handler):  # attributes of a function are whatever a decorator left there
        event_class: type[Event] | None = getattr(handler, "event_class", None)
        if event_class is not None:
            return event_class
        event_type: str | None = getattr(handler, "event_type", None)
        if event_type is not None:
            subtype: str | None = getattr(handler, "event_subtype", None)
            return event_type if subtype is None else (event_type, subtype)
    annotation = first_annotation(call)
    options = members_of(annotation)
    if not all(isinstance(each, type) and issubclass(each, Event) for each in options):
        raise TypeError(
            f"cannot tell which events {_name(handler)} is for: name them, as in register(handler, MessageEvent), "
            "or annotate the first parameter with an event class"
        )
    return annotation


def _name(handler: object) -> str:
    return getattr(handler, "__qualname__", None) or repr(handler)
