"""Picks the handlers of an event and gives it to them.

A handler is bound to an event class, to a type name with or without subtype, to all events (``"*"``), to those that
nobody else wants (``"?"``), or to messages by their text (``hears``). The choice for an event class is made once and
kept until a handler is added or removed, so that an event costs one lookup; but for choices by text.
How a handler is run stands in ``client/handlers/binding``; what happens to its errors is the owner's matter.
"""

import inspect
import re
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, Union, Unpack, get_args, get_origin, overload

from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.binding import Binding, HandlerOptions, Options, Report, refuse_coroutine
from tautwire.client.handlers.text_filter import TextFilter
from tautwire.client.metrics import Metrics
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.events import Event, MalformedEvent, MessageEvent, UnknownEvent
from tautwire.protocol.events.conversation import conversation_of

E = TypeVar("E", bound=Event)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
R = TypeVar("R")
Listener = TypeVar("Listener", bound=Callable[[MessageEvent, re.Match[str]], object])

ANY = "*"
"""The name that binds a handler to all events."""

UNHANDLED = "?"
"""The name that binds a handler to events that no other handler took, those for all events left aside."""

Name = str | tuple[str, str | None]
"""A type name (all its subtypes with it), a ``(type, subtype)`` pair (None: no subtype), ``"*"`` or ``"?"``."""


class HandlerObject(Protocol[E_contra]):
    """An object as a handler. It may carry ``event_class``, or ``event_type`` and ``event_subtype``, to bind itself."""

    def handle(self, event: E_contra, /) -> object:
        """Serve one event; a plain or a coroutine function."""


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


class _Target(NamedTuple):
    """What a binding wants: by class, or by name."""

    event_class: type[Event] | None
    type: str | None
    subtype: str | None
    any_subtype: bool


class _Entry(NamedTuple):
    """A registered handler with what it wants."""

    targets: tuple[_Target, ...]
    binding: Binding[Any]
    text_filter: TextFilter | None = None

    def is_for(self, event: Event) -> bool:
        """Tell whether the kind of event is right."""
        return any(_matches(each, event) for each in self.targets)


_Way = tuple[Callable[[Any], object], Binding[Any]]
"""What takes an event, and the binding that hears of it if that fails."""


class Decorator(Generic[E]):
    """What ``on(EventClass)`` returns: registers the function below it and leaves it as it was."""

    __slots__ = ("_register",)

    def __init__(self, register: Callable[[Callable[[E], Any]], object]) -> None:
        self._register = register

    def __call__(self, handler: Callable[[E], R], /) -> Callable[[E], R]:
        """Register a handler and return it."""
        self._register(handler)
        return handler


class Dispatcher:
    """A set of event handlers, added and removed at any time and from any thread, also by a handler.

    A client has one (``RTMClient.dispatcher``), or is given one that was filled before there was a client.
    """

    def __init__(self) -> None:
        self._report: Report | None = None
        self._unreadable: Callable[[MalformedEvent], None] | None = None
        self.flow = Backpressure()
        """Tells the reader of the client when a queue is full."""
        self._metrics: Metrics | None = None
        self._lock = threading.Lock()
        self.me = ""
        """The user id of the client, set by it: its own messages are not heard."""
        self._entries: tuple[_Entry, ...] = ()
        self._routes: dict[type[Event], tuple[_Way, ...]] = {}

    # -- adding and removing --------------------------------------------------------------------------------

    @overload
    def register(
        self,
        handler: Callable[[E], object] | HandlerObject[E],
        event: type[E],
        **options: Unpack[HandlerOptions],
    ) -> Registration: ...

    @overload
    def register(
        self,
        handler: Callable[[Any], object] | HandlerObject[Any],
        event: Name | None = None,
        **options: Unpack[HandlerOptions],
    ) -> Registration: ...

    def register(
        self,
        handler: Callable[[Any], object] | HandlerObject[Any],
        event: type[Event] | Name | None = None,
        **options: Unpack[HandlerOptions],
    ) -> Registration:
        """Call ``handler`` with every event it is bound to, from the next event on.

        Args:
            handler: a coroutine function, a plain function, or an object with a ``handle`` method.
            event: an event class (its subclasses with it), a type name, a ``(type, subtype)`` pair, ``"*"`` for
                all events, or ``"?"`` for those that no other handler took.
                Without it the binding is read from the handler: the object's ``event_class`` or ``event_type``, or
                the annotation of the function's first parameter (several classes may be joined with ``|``).
            options: ``inline``, ``concurrency``, ``limit``, ``limit_bytes``, ``overflow``, ``timeout``; see
                ``Options``.

        Raises:
            TypeError: the handler says nowhere which events it wants.
            ValueError: the options do not fit the kind of function.
        """
        call = handler if callable(handler) else getattr(handler, "handle", None)
        if call is None:
            raise TypeError(f"a handler is a function or has a handle method, unlike {handler!r}")
        wanted = (event,) if event is not None else _wants(handler, call)
        binding: Binding[Any] = Binding(
            handler, call, Options(**options), self._failed, self.flow, key_of=conversation_of
        )
        return self._add(_Entry(tuple(_target(each) for each in wanted), binding))

    def deregister(self, handler: object) -> bool:
        """Take out every registration of a handler; return False if there was none. What waits for it is forgotten."""
        with self._lock:
            gone = [each for each in self._entries if each.binding is handler or each.binding.handler == handler]
            self._entries = tuple(each for each in self._entries if each not in gone)
            self._routes = {}
        for entry in gone:
            entry.binding.stop()
        return bool(gone)

    @overload
    def on(
        self,
        event: type[E],
        **options: Unpack[HandlerOptions],
    ) -> Decorator[E]: ...

    @overload
    def on(
        self,
        event: Name,
        **options: Unpack[HandlerOptions],
    ) -> Decorator[Any]: ...

    def on(
        self,
        event: type[Event] | Name,
        **options: Unpack[HandlerOptions],
    ) -> Decorator[Any]:
        """Register the decorated function; see ``register``. The function itself stays what it was."""
        return Decorator(lambda handler: self.register(handler, event, **options))

    def hears(
        self,
        pattern: str | re.Pattern[str] = "",
        *,
        prefix: str = "",
        mention: bool = False,
        **options: Unpack[HandlerOptions],
    ) -> Callable[[Listener], Listener]:
        """Register the decorated function for messages by their text; it is called with the event and the match.

        Heard is what others say (``MessageEvent``: no edits, no joins), never our own messages. A pattern is searched
        in the reader: one that takes long for some texts delays everything.

        Args:
            pattern: a regular expression, searched in the text without mention and prefix; "" for any text.
            prefix: what the text begins with, such as ``"!"``.
            mention: only what addresses us: by a mention anywhere in the text, or in a direct message.
            options: ``inline``, ``concurrency``, ``limit``, ``limit_bytes``, ``overflow``, ``timeout``; see
                ``Options``.
        """
        text_filter = TextFilter(re.compile(pattern), prefix, mention)

        def register(handler: Listener) -> Listener:
            binding: Binding[Any] = Binding(
                handler,
                handler,
                Options(**options),
                self._failed,
                self.flow,
                key_of=lambda item: conversation_of(item[0]),
                spread=True,
            )
            self._add(_Entry((_target(MessageEvent),), binding, text_filter))
            return handler

        return register

    def _add(self, entry: _Entry) -> Registration:
        with self._lock:
            if self._metrics is not None:
                entry.binding.measure(self._metrics)
            self._entries = (*self._entries, entry)
            self._routes = {}
        return Registration(entry.binding, self.deregister)

    def attach(self, report: Report, unreadable: Callable[[MalformedEvent], None]) -> None:
        """Called by the client that uses the dispatcher.

        Args:
            report: gets every exception of a handler.
            unreadable: gets every frame that cannot be read.

        Raises:
            ConfigError: another client uses it.
        """
        if self._report is not None:
            raise ConfigError("this dispatcher belongs to another client: give each client a Dispatcher of its own")
        self._report, self._unreadable = report, unreadable

    def measure(self, metrics: Metrics) -> None:
        """Tell of every run of a handler; called by the client before the first event."""
        with self._lock:
            self._metrics = metrics
            for entry in self._entries:
                entry.binding.measure(metrics)
            self._routes = {}

    @property
    def bindings(self) -> tuple[Binding[Any], ...]:
        """What is registered now."""
        return tuple(each.binding for each in self._entries)

    # -- events ---------------------------------------------------------------------------------------------

    def dispatch(self, event: Event) -> None:
        """Give an event to its handlers, in the order they were registered. Called on the loop, for each event."""
        ways = self._routes.get(event.__class__)
        if ways is None:
            self._pick(event)
            return
        for take, binding in ways:
            try:  # as Binding.deliver, without the cost of one more call
                result = take(event)
                if result is not None:
                    refuse_coroutine(result)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 (also SystemExit, or what pytest.fail raises)
                binding.failed(error, event)

    def _failed(self, error: BaseException, item: Any, binding: Binding[Any]) -> None:
        if self._report is not None:
            self._report(error, item[0] if isinstance(item, tuple) else item, binding)

    def _pick(self, event: Event) -> None:
        """Give an event to its handlers the long way, and keep the choice if it is the same for all of the class."""
        routes, entries = self._routes, self._entries  # this order: a registration in between drops ``routes``
        is_lasting = not isinstance(event, UnknownEvent | MalformedEvent)  # the type of the one stands in the event
        if isinstance(event, MalformedEvent) and self._unreadable is not None:
            self._unreadable(event)
        is_handled = False
        chosen: list[tuple[Binding[Any], Any]] = []
        for targets, binding, text_filter in (each for each in entries if each.is_for(event)):
            item: Any = event
            if text_filter is not None:
                is_lasting = False
                match = text_filter.listen(event, self.me)
                if match is None:
                    continue
                item = event, match
            chosen.append((binding, item))
            is_handled = is_handled or targets != (_EVERYTHING,)
        if not is_handled:
            chosen.extend((each.binding, event) for each in entries if each.targets == (_LEFT_OVER,))
        if is_lasting:
            routes[event.__class__] = tuple((binding.take, binding) for binding, _ in chosen)
        for binding, item in chosen:
            binding.deliver(item)


_EVERYTHING = _Target(None, None, None, any_subtype=True)
_LEFT_OVER = _Target(None, UNHANDLED, None, any_subtype=True)
"""Matches no event by itself: no type is called so."""


def _matches(target: _Target, event: Event) -> bool:
    if target.event_class is not None:
        return isinstance(event, target.event_class)
    if target.type is None:
        return True
    type_, subtype = kind_of(event)
    return type_ == target.type and (target.any_subtype or subtype == target.subtype)


def kind_of(event: Event) -> tuple[str, str | None]:
    """Return the type and subtype an event had on the wire."""
    if isinstance(event, UnknownEvent):
        return event.type, event.subtype
    return event.TYPE, event.SUBTYPE


def _target(event: type[Event] | Name) -> _Target:
    if isinstance(event, str):
        return _EVERYTHING if event == ANY else _Target(None, event, None, any_subtype=True)
    if isinstance(event, tuple):
        return _Target(None, *event, any_subtype=False)
    return _Target(event, None, None, any_subtype=False)


def _wants(handler: object, call: Callable[..., object]) -> tuple[type[Event] | Name, ...]:
    """Read from a handler which events it is for."""
    if not inspect.isroutine(handler):
        event_class: type[Event] | None = getattr(handler, "event_class", None)
        if event_class is not None:
            return (event_class,)
        event_type: str | None = getattr(handler, "event_type", None)
        if event_type is not None:
            subtype: str | None = getattr(handler, "event_subtype", None)
            return ((event_type, subtype),) if subtype is not None else (event_type,)
    annotation = _first_annotation(call)
    options = get_args(annotation) if get_origin(annotation) in _UNIONS else (annotation,)
    classes = tuple(each for each in options if isinstance(each, type) and issubclass(each, Event))
    if not classes or len(classes) < len(options):
        raise TypeError(
            f"cannot tell which events {handler!r} is for: name them in register(), "
            "or annotate the first parameter with an event class"
        )
    return classes


_UNIONS = (Union, type(int | str))


def _first_annotation(call: Callable[..., object]) -> object:
    try:
        parameters = inspect.signature(call, eval_str=True).parameters.values()
    except (TypeError, ValueError, NameError):  # written in C, or annotated with a name that is not there
        return None
    return next((each.annotation for each in parameters), None)
