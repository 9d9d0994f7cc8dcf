"""The decorator ``on``, typed: a checker knows for every class, and for the commonest names, what a handler gets."""

from collections.abc import Callable
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar, Unpack, overload

from tautwire.client.handlers.binding import HandlerOptions
from tautwire.client.handlers.event_types import Name, targets_of
from tautwire.protocol.events import (
    AnyMessage,
    ChannelCreatedEvent,
    Event,
    GoodbyeEvent,
    HelloEvent,
    MemberJoinedChannelEvent,
    MemberLeftChannelEvent,
    MessageEvent,
    PresenceChangeEvent,
    ReactionAddedEvent,
    ReactionRemovedEvent,
    TeamJoinEvent,
    UnknownEvent,
    UserTypingEvent,
)

E = TypeVar("E", bound=Event)
P = ParamSpec("P")
R = TypeVar("R")


class Decorator(Generic[E]):
    """What ``on(EventClass)`` returns: registers the function below it and leaves it as it was."""

    __slots__ = ("_register",)

    def __init__(self, register: Callable[[Callable[..., Any]], object]) -> None:
        self._register = register

    def __call__(self, handler: Callable[Concatenate[E, P], R], /) -> Callable[Concatenate[E, P], R]:
        """Register a handler and return it."""
        self._register(handler)
        return handler


class Decorators:
    """The decorator form of ``register``."""

    def _register(self, handler: Any, event: object, options: HandlerOptions, *, unknown: bool) -> object:
        """Register a handler, as ``Dispatcher.register`` does."""
        raise NotImplementedError

    @overload
    def on(self, event: type[E], **options: Unpack[HandlerOptions]) -> Decorator[E]: ...
    @overload
    def on(
        self, event: Literal["message"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[AnyMessage | UnknownEvent]: ...
    @overload
    def on(
        self, event: tuple[Literal["message"], None], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[MessageEvent]: ...
    @overload
    def on(
        self, event: Literal["reaction_added"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[ReactionAddedEvent]: ...
    @overload
    def on(
        self, event: Literal["reaction_removed"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[ReactionRemovedEvent]: ...
    @overload
    def on(
        self, event: Literal["user_typing"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[UserTypingEvent]: ...
    @overload
    def on(
        self, event: Literal["presence_change"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[PresenceChangeEvent]: ...
    @overload
    def on(
        self, event: Literal["hello"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[HelloEvent]: ...
    @overload
    def on(
        self, event: Literal["goodbye"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[GoodbyeEvent]: ...
    @overload
    def on(
        self, event: Literal["team_join"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[TeamJoinEvent]: ...
    @overload
    def on(
        self, event: Literal["channel_created"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[ChannelCreatedEvent]: ...
    @overload
    def on(
        self, event: Literal["member_joined_channel"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[MemberJoinedChannelEvent]: ...
    @overload
    def on(
        self, event: Literal["member_left_channel"], *, unknown: bool = ..., **options: Unpack[HandlerOptions]
    ) -> Decorator[MemberLeftChannelEvent]: ...
    @overload
    def on(self, event: Name, *, unknown: bool = ..., **options: Unpack[HandlerOptions]) -> Decorator[Any]: ...

    def on(
        self, event: type[Event] | Name, *, unknown: bool = False, **options: Unpack[HandlerOptions]
    ) -> Decorator[Any]:
        """Register the decorated function; see ``register``. The function itself stays what it was.

        ``"message"`` brings every subtype, those without a class as an ``UnknownEvent``; what people and bots say is
        ``MessageEvent``, or ``("message", None)``.
        """
        targets_of(event, unknown=unknown)  # a mistake in it is raised here, also without parentheses: @client.on
        return Decorator(lambda handler: self._register(handler, event, options, unknown=unknown))
