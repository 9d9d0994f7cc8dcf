"""Picks the handlers of an event and gives it to them.

A handler is for events of a kind (``client/handlers/event_types``), perhaps only for messages with some text
(``hears``, ``client/handlers/text_filter``) or under a condition (``when=``, ``client/handlers/predicates``).
The handlers of a class of events are looked up once and kept until a handler is added or removed, so that an event
costs one lookup; texts and conditions are asked for each event.

What a handler is called with stands in ``client/handlers/arguments``, how it is run in ``client/handlers/binding``;
what happens to its errors is the owner's matter.
"""

import re
import threading
from collections.abc import Callable
from typing import Any, Concatenate, NamedTuple, Protocol, TypeVar, Unpack, overload

from tautwire.client.backpressure import Backpressure
from tautwire.client.handlers.arguments import Arguments
from tautwire.client.handlers.binding import Binding, HandlerOptions, Options, Report, is_async, refuse_coroutine
from tautwire.client.handlers.context import AnyClient, Clients
from tautwire.client.handlers.decorators import Decorators
from tautwire.client.handlers.event_types import EVERYTHING, LEFT_OVER, Name, Target, targets_of, wanted_by
from tautwire.client.handlers.hooks import HookDecorators, Hooks
from tautwire.client.handlers.predicates import Predicate, predicate_of
from tautwire.client.handlers.registration import Registration
from tautwire.client.handlers.text_filter import TextFilter
from tautwire.client.metrics import Metrics
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.events import Event, MalformedEvent, MessageEvent, UnknownEvent
from tautwire.protocol.events.conversation import conversation_of

E = TypeVar("E", bound=Event)
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
Listener = TypeVar("Listener", bound=Callable[Concatenate[MessageEvent, ...], object])


class HandlerObject(Protocol[E_contra]):
    """An object as a handler. It may carry ``event_class``, or ``event_type`` and ``event_subtype``, to bind itself."""

    @property
    def handle(self) -> Callable[Concatenate[E_contra, ...], object]:
        """The method that serves one event: a plain or a coroutine function, called as a function would be."""


class _Entry(NamedTuple):
    """A registered handler with what it wants."""

    targets: tuple[Target, ...]
    binding: Binding[Any]
    arguments: Arguments
    when: Predicate | None = None
    text_filter: TextFilter | None = None

    @property
    def is_choosy(self) -> bool:
        """Whether the kind of an event does not decide alone."""
        return self.when is not None or self.text_filter is not None

    def is_for(self, event: Event) -> bool:
        """Return whether the kind of event is right."""
        return any(each.matches(event) for each in self.targets)

    def item_for(self, event: Event, me: str) -> Any:
        """Return what the binding is given for an event of the right kind; None if the handler does not want it."""
        item: Any = event
        if self.text_filter is not None:
            match = self.text_filter.listen(event, me)
            if match is None:
                return None
            item = event, match
        return item if self.when is None or self.when(event, me) else None


_Way = tuple[Callable[[Any], object], Binding[Any]]
"""What takes an event, and the binding that hears of it if that fails."""


class Dispatcher(Decorators, HookDecorators):
    """A set of event handlers and functions of a client's life, added and removed at any time and from any thread.

    A client has one (``RTMClient.dispatcher``), or is given one that was filled before there was a client.
    """

    def __init__(self) -> None:
        self._report: Report | None = None
        self._unreadable: Callable[[MalformedEvent], None] | None = None
        self.flow = Backpressure()
        """Tells the reader of the client when a queue is full."""
        self.hooks = Hooks(self._hook_failed, self.flow)
        self._metrics: Metrics | None = None
        self._lock = threading.Lock()
        self.me = ""
        """The user id of the client, set by it: its own messages are not heard."""
        self._clients = Clients()
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
        handler: Callable[Concatenate[E, ...], object],
        event: type[E],
        **options: Unpack[HandlerOptions],
    ) -> Registration: ...

    @overload
    def register(
        self,
        handler: Callable[Concatenate[Any, ...], object] | HandlerObject[Any],
        event: Name | None = None,
        *,
        unknown: bool = ...,
        **options: Unpack[HandlerOptions],
    ) -> Registration: ...

    def register(
        self,
        handler: Callable[Concatenate[Any, ...], object] | HandlerObject[Any],
        event: type[Event] | Name | None = None,
        *,
        unknown: bool = False,
        **options: Unpack[HandlerOptions],
    ) -> Registration:
        """Call ``handler`` with every event it is bound to, from the next event on.

        The event is the first argument. Further parameters are filled by their annotations: ``RTMClient`` or
        ``BlockingRTMClient`` with the client, ``Context`` (coroutine handlers) or ``BlockingContext`` (plain ones) with
        a context of the event. Coroutine handlers get the asyncio client, also inside a blocking one; plain handlers
        get the client that the program made. Parameters with a default other than None keep it.

        Args:
            handler: a coroutine function, a plain function, or an object with a ``handle`` method.
            event: an event class (its subclasses with it), a type name, a ``(type, subtype)`` pair, ``"*"`` for
                all events, or ``"?"`` for those that no other handler took.
                Without it the binding is read from the handler: the object's ``event_class`` or ``event_type``, or
                the annotation of the function's first parameter (several classes may be joined with ``|``).
            unknown: whether a name may be one that the protocol does not know, of an event that only your server
                sends. The handler gets an ``UnknownEvent`` then.
            options: ``when``, a predicate that decides before an event is queued; ``inline``, ``concurrency``,
                ``limit``, ``limit_bytes``, ``overflow``, ``timeout``, see ``Options``.

        Raises:
            TypeError: the handler says nowhere which events it wants, cannot be called with the event alone and what
                its annotations ask for, or ``event`` is no class of events and no name.
            ValueError: there is no event of the name, or the options do not fit the kind of function.
            ConfigError: the handler asks for a client of another class than the one there is.
        """
        return self._register(handler, event, options, unknown=unknown)

    def _register(self, handler: Any, event: object, options: HandlerOptions, *, unknown: bool) -> Registration:
        call = handler if callable(handler) else getattr(handler, "handle", None)
        if call is None:
            raise TypeError(f"a handler is a function or has a handle method, unlike {handler!r}")
        wanted = event if event is not None else wanted_by(handler, call)
        return self._bind(handler, call, targets_of(wanted, unknown=unknown), options)

    def deregister(self, handler: object) -> bool:
        """Take out every registration of a handler; return False if there was none. What waits for it is forgotten."""
        with self._lock:
            gone = [each for each in self._entries if each.binding is handler or each.binding.handler == handler]
            self._entries = tuple(each for each in self._entries if each not in gone)
            self._routes = {}
        for entry in gone:
            entry.binding.abort()
        return bool(gone)

    def hears(
        self,
        pattern: str | re.Pattern[str] = "",
        *,
        prefix: str = "",
        mention: bool = False,
        **options: Unpack[HandlerOptions],
    ) -> Callable[[Listener], Listener]:
        """Register the decorated function for messages by their text.

        It is called with the event, and with the match if it has a second parameter, or one annotated ``re.Match``;
        further parameters are filled as ``register`` says.
        Only other users' plain messages are matched (``MessageEvent``: no edits, no joins). A pattern is searched
        in the reader: one that takes long for some texts delays everything.

        Args:
            pattern: a regular expression, searched in the text without mention and prefix; "" for any text.
            prefix: what the text begins with, such as ``"!"``.
            mention: only what addresses us: by a mention anywhere in the text, or in a direct message.
            options: as for ``register``. ``when`` decides about messages whose text fits.

        Raises:
            TypeError: the handler cannot be called so, or the decorator stands without parentheses.
            ValueError: the options do not fit the kind of function.
            ConfigError: the handler asks for a client of another class than the one there is.
        """
        if not isinstance(pattern, str | re.Pattern):
            raise TypeError(
                f'hears() takes a pattern, as in @client.hears("deploy") or @client.hears(), got {pattern!r}'
            )
        text_filter = TextFilter(re.compile(pattern), prefix, mention)

        def register(handler: Listener) -> Listener:
            self._bind(handler, handler, targets_of(MessageEvent), options, text_filter)
            return handler

        return register

    def _bind(
        self,
        handler: object,
        call: Callable[..., Any],
        targets: tuple[Target, ...],
        options: HandlerOptions,
        text_filter: TextFilter | None = None,
    ) -> Registration:
        how: Any = {key: value for key, value in options.items() if key != "when"}
        when = options.get("when")
        run_options = Options(**how)
        is_heard = text_filter is not None
        arguments = Arguments(
            handler, call, is_async=is_async(call), hears=is_heard, inline=run_options.inline, clients=self._clients
        )
        binding: Binding[Any] = Binding(
            handler,
            call,
            run_options,
            self._failed,
            self.flow,
            key_of=(lambda item: conversation_of(item[0])) if is_heard else conversation_of,
            call=arguments.filled(call),
        )
        return self._add(_Entry(targets, binding, arguments, None if when is None else predicate_of(when), text_filter))

    def _add(self, entry: _Entry) -> Registration:
        with self._lock:
            entry.arguments.check()
            if self._metrics is not None:
                entry.binding.measure(self._metrics)
            self._entries = (*self._entries, entry)
            self._routes = {}
        return Registration(entry.binding, self.deregister)

    def put_before(self, client: AnyClient | None) -> None:
        """Called by a blocking client before the client inside it attaches: plain handlers get this one.

        Args:
            client: the blocking client; None if it was not made after all.

        Raises:
            ConfigError: another client uses the dispatcher.
        """
        self._check_free()
        self._clients.in_threads = client

    def attach(
        self, report: Report, unreadable: Callable[[MalformedEvent], None], client: AnyClient | None = None
    ) -> None:
        """Called by the client that uses the dispatcher.

        Args:
            report: gets every exception of a handler.
            unreadable: gets every frame that cannot be read.
            client: what handlers are given as the client.

        Raises:
            ConfigError: another client uses it, or a handler asks for a client of another class.
        """
        self._check_free()
        outer = self._clients.in_threads
        with self._lock:
            self._clients.on_loop, self._clients.in_threads = client, outer or client
            try:
                for entry in self._entries:
                    entry.arguments.check()
            except ConfigError:
                self._clients.on_loop, self._clients.in_threads = None, outer
                raise
            self._report, self._unreadable = report, unreadable

    def _check_free(self) -> None:
        if self._report is not None:
            raise ConfigError("this dispatcher belongs to another client: give each client a Dispatcher of its own")

    def measure(self, metrics: Metrics) -> None:
        """Tell of every run of a handler; called by the client before the first event."""
        with self._lock:
            self._metrics = metrics
            for entry in self._entries:
                entry.binding.measure(metrics)
            self._routes = {}
        self.hooks.measure(metrics)

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

    def _hook_failed(self, error: BaseException, item: Any, binding: Binding[Any]) -> None:
        if self._report is not None:
            self._report(error, item, binding)

    def _pick(self, event: Event) -> None:
        """Give an event to its handlers the long way, and keep the choice if it is the same for all of the class."""
        routes, entries = self._routes, self._entries  # this order: a registration in between drops ``routes``
        is_lasting = not isinstance(event, UnknownEvent | MalformedEvent)  # the type of the one stands in the event
        if isinstance(event, MalformedEvent) and self._unreadable is not None:
            self._unreadable(event)
        right = [each for each in entries if each.is_for(event)]
        left_over = [each for each in entries if each.targets == (LEFT_OVER,)]
        takers = [each for each in right if each.targets != (EVERYTHING,)]
        if left_over and any(each.is_choosy for each in takers):
            is_lasting = False  # whether the event is left over is known only when all have chosen
        if is_lasting:
            kept = right if takers else [*right, *left_over]
            routes[event.__class__] = tuple((self._taking(each), each.binding) for each in kept)
        is_handled = False
        chosen: list[tuple[Binding[Any], Any]] = []
        for entry in right:
            item = self._item_for(entry, event)
            if item is not None:
                chosen.append((entry.binding, item))
                is_handled = is_handled or entry.targets != (EVERYTHING,)
        if not is_handled:
            chosen.extend((each.binding, event) for each in left_over if self._item_for(each, event) is not None)
        for binding, item in chosen:
            binding.deliver(item)

    def _item_for(self, entry: _Entry, event: Event) -> Any:
        """As ``_Entry.item_for``. A predicate that raises is reported as its handler would be, and counts as no."""
        try:
            return entry.item_for(event, self.me)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 (also SystemExit, or what pytest.fail raises)
            entry.binding.failed(error, event)
            return None

    def _taking(self, entry: _Entry) -> Callable[[Any], object]:
        """Return what takes an event of the right kind: the binding, asked whether it wants it if it is choosy."""
        take = entry.binding.take
        if not entry.is_choosy:
            return take

        def choose_and_take(event: Event) -> object:
            item = entry.item_for(event, self.me)
            return None if item is None else take(item)

        return choose_and_take
