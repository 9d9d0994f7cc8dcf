"""What a handler is called with: the event first, and what else its parameters ask for by their annotations.

    a subclass of AnyClient    the client that runs
    a subclass of AnyContext   one made for the event
    re.Match                   what ``hears`` found

It is read off the signature once, when the handler is registered, where also is refused what cannot be called. A
handler that takes the event alone is called as it is.
"""

import inspect
import re
import types
from collections.abc import Callable
from functools import partial
from inspect import Parameter
from typing import Any, Final, NamedTuple, NoReturn, Union, get_args, get_origin

from tautwire.client.handlers.context import AnyClient, AnyContext, Clients
from tautwire.protocol.errors import ConfigError
from tautwire.protocol.events import Event

_POSITIONAL: Final = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)

_Source = Callable[[Event, "re.Match[str] | None"], Any]
"""Makes the value of one parameter."""

_WISHES: Final = "the client (RTMClient, BlockingRTMClient) or a context (Context, BlockingContext)"


class _Unread(NamedTuple):
    """An annotation that cannot be evaluated."""

    text: str
    reason: str


class Arguments:
    """What one handler is called with.

    Args:
        handler: what the user registered; for texts.
        call: what is called: the handler itself, or its ``handle`` method.
        is_async: whether it is a coroutine function.
        hears: whether there is a match besides the event.
        inline: whether it runs in the reader.
        clients: where the client is, now or later.

    Raises:
        TypeError: it takes no event, or requires what there is not.
    """

    def __init__(
        self,
        handler: object,
        call: Callable[..., object],
        *,
        is_async: bool,
        hears: bool,
        inline: bool,
        clients: Clients,
    ) -> None:
        self._name: str = getattr(handler, "__qualname__", None) or type(handler).__qualname__
        self._is_async = is_async
        self._hears = hears
        self._inline = inline
        self._clients = clients
        self._positional: list[_Source] = []
        self._by_name: dict[str, _Source] = {}
        self._client_classes: list[tuple[str, tuple[type, ...]]] = []
        if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
            raise TypeError(f"handler {self._name} is a generator, whose body would never run: leave out yield")
        self._read(call)

    def check(self) -> None:
        """Check that the client is of the class the handler asks for, if there is one yet.

        Raises:
            ConfigError: it is not.
        """
        client = self._clients.on_loop if self._is_async else self._clients.in_threads
        if client is None:
            return
        for parameter, classes in self._client_classes:
            if not isinstance(client, classes):
                kind = "coroutine" if self._is_async else "plain"
                raise ConfigError(
                    f"handler {self._name} asks for {' | '.join(each.__name__ for each in classes)} as {parameter!r}, "
                    f"but a {kind} handler gets the {type(client).__name__} here: annotate that"
                )

    def filled(self, function: Callable[..., Any]) -> Callable[[Any], Any] | None:
        """Return a function of an item (an event; for ``hears`` an event and a match) that calls the handler.

        None if the handler takes just the event, and can be called as it is.
        """
        positional, by_name = tuple(self._positional), tuple(self._by_name.items())

        def call(event: Event, match: re.Match[str] | None = None) -> Any:
            return function(
                event,
                *[make(event, match) for make in positional],
                **{key: make(event, match) for key, make in by_name},
            )

        if not positional and not by_name:
            return (lambda item: function(item[0])) if self._hears else None
        if self._hears:
            is_usual = positional == (_match,) and not by_name
            return spread(function if is_usual else call)
        return call

    # -- reading the signature ------------------------------------------------------------------------------

    def _read(self, call: Callable[..., object]) -> None:
        try:
            signature = inspect.signature(call)
        except (TypeError, ValueError):  # written in C
            self._positional = [_match] if self._hears else []
            return
        parameters = list(signature.parameters.values())
        positional = [each for each in parameters if each.kind in _POSITIONAL]
        takes_more = any(each.kind is Parameter.VAR_POSITIONAL for each in parameters)
        if not positional and not takes_more:
            raise TypeError(
                f"handler {self._shown(signature)} must take the event: def {self._last_name}(event: MessageEvent)"
            )
        annotations = {each.name: _evaluated(call, each.annotation) for each in parameters}
        if positional and self._source(positional[0], annotations[positional[0].name]) is not None:
            self._refuse(signature, positional[0], "comes first, where the event is given")
        rest = [*positional[1:], *(each for each in parameters if each.kind is Parameter.KEYWORD_ONLY)]
        is_contiguous = True
        for parameter in rest:
            annotation = annotations[parameter.name]
            source = self._source(parameter, annotation)
            if source is None and self._is_for_match(parameter, annotation, positional, annotations):
                source = _match
            if source is None:
                if parameter.default is Parameter.empty:
                    self._refuse(signature, parameter, _lack(annotation))
                is_contiguous = False
            elif parameter.kind in _POSITIONAL and is_contiguous:
                self._positional.append(source)
            elif parameter.kind is Parameter.POSITIONAL_ONLY:
                self._refuse(
                    signature, parameter, "stands behind a parameter with a default, and cannot be given by name"
                )
            else:
                self._by_name[parameter.name] = source
        if self._hears and takes_more and not rest:
            self._positional = [_match]

    def _source(self, parameter: Parameter, annotation: object) -> _Source | None:
        """Return what makes the value that an annotation asks for; None if it asks for nothing we have."""
        if parameter.default not in (Parameter.empty, None):  # has a value, such as one given by functools.partial
            return None
        wanted = [each for each in members_of(annotation) if each is not type(None)]
        classes = tuple(each for each in wanted if isinstance(each, type))
        if classes and len(classes) == len(wanted) and all(issubclass(each, AnyClient) for each in classes):
            self._client_classes.append((parameter.name, classes))
            return lambda event, match: self._clients.get(is_async=self._is_async)
        if len(wanted) != 1:
            return None
        origin = get_origin(wanted[0]) or wanted[0]
        if origin is re.Match:
            if not self._hears:
                raise TypeError(f"handler {self._name} asks for a match as {parameter.name!r}, which only hears() has")
            return _match
        if isinstance(origin, type) and issubclass(origin, AnyContext):
            return self._context(origin)
        return None

    def _context(self, context: type[AnyContext[Any]]) -> _Source:
        if self._inline:
            raise TypeError(
                f"handler {self._name} asks for a {context.__name__}, but an inline handler runs in the reader and "
                "cannot wait: leave out inline=True, or take the client"
            )
        if context.IS_BLOCKING is self._is_async:
            advice = (
                "a coroutine handler gets a Context, whose verbs are awaited"
                if self._is_async
                else "a plain handler gets a BlockingContext; or make the handler async to take a Context"
            )
            raise TypeError(f"handler {self._name} asks for a {context.__name__}: {advice}")
        return lambda event, match: context(self._clients.get(is_async=self._is_async), event)

    def _is_for_match(
        self, parameter: Parameter, annotation: object, positional: list[Parameter], annotations: dict[str, object]
    ) -> bool:
        """Return whether this is the second parameter of a handler that takes event and match by their places."""
        return (
            self._hears
            and parameter in positional[1:2]
            and (annotation in (Parameter.empty, Any, object) or isinstance(annotation, _Unread))
            and parameter.name != "event"
            and not any((get_origin(each) or each) is re.Match for each in annotations.values())
        )

    def _refuse(self, signature: inspect.Signature, parameter: Parameter, reason: str) -> NoReturn:
        names = list(signature.parameters)
        text = f"handler {self._shown(signature)} cannot be called: {parameter.name!r} {reason}"
        if names[0] in ("client", "_client", "rtm", "rtm_client") or "event" in names[1:]:
            text += (
                "; slack_sdk's (client, event) is written as "
                f"def {self._last_name}(event: MessageEvent, client: RTMClient) here"
            )
        raise TypeError(text)

    def _shown(self, signature: inspect.Signature) -> str:
        return f"{self._name}({', '.join(signature.parameters)})"

    @property
    def _last_name(self) -> str:
        name = self._name.rpartition(".")[2]
        return name if name.isidentifier() else "handler"


def spread(function: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a function of one item, a tuple of the arguments."""
    return lambda item: function(*item)


def members_of(annotation: object) -> tuple[object, ...]:
    """Return what is joined with ``|``, or the thing itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def first_annotation(call: Callable[..., object]) -> object:
    """Return the annotation of a function's first parameter; None if there is none that can be read."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # written in C
        return None
    return next((_evaluated(call, each.annotation) for each in parameters), None)


def _match(_event: Event, match: "re.Match[str] | None") -> Any:
    return match


def _lack(annotation: object) -> str:
    if isinstance(annotation, _Unread):
        return (
            f"is annotated with {annotation.text!r}, which cannot be read ({annotation.reason}): "
            "import it where the program runs, not for type checkers only"
        )
    if annotation is Parameter.empty:
        return f"has no annotation that says what to fill in: {_WISHES}"
    return f"is annotated with {getattr(annotation, '__name__', annotation)}, and there is only {_WISHES}"


def _evaluated(call: Callable[..., object], annotation: object) -> object:
    """Return what an annotation means, each by itself: one that cannot be read is no harm to the others."""
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, _names_of(call))  # noqa: S307 (the program's own annotation, as inspect evaluates it)
    except Exception as error:  # noqa: BLE001 (an annotation may be any expression)
        return _Unread(annotation, str(error))


def _names_of(call: Any) -> dict[str, Any]:
    """Return the names that the module of a function knows."""
    while isinstance(call, partial):
        call = call.func
    call = inspect.unwrap(call)
    if not inspect.isroutine(call):
        call = type(call).__call__
    found: dict[str, Any] = getattr(call, "__globals__", {})
    return found
