"""Registration refuses what could never be called, in sentences that help; and what a handler may be called with."""

import asyncio
import functools
import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from drive import until
from tautwire import (
    BlockingRTMClient,
    ConfigError,
    Dispatcher,
    Event,
    HelloEvent,
    MessageEvent,
    RTMClient,
    UserTypingEvent,
)
from tautwire.client.handlers.workers import Callers
from tautwire.protocol.codec import decode_event

if TYPE_CHECKING:
    from decimal import Decimal

API = "http://127.0.0.1:1/api/"


def said(text: str = "deploy prod") -> Event:
    frame = {"type": "message", "channel": "C1", "user": "U1", "text": text, "ts": "1700000000.000001"}
    found = decode_event(json.dumps(frame))
    assert isinstance(found, Event)
    return found


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher()


def take(event: Event) -> None: ...


class TestNames:
    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("mesage", 'did you mean "message"?'),
            ("reaction_add", 'did you mean "reaction_added"?'),
            ("bot_message", 'did you mean ("message", "bot_message")?'),
            ("message::bot_message", 'did you mean ("message", "bot_message")?'),
            ("zzzzzz", 'there is no event "zzzzzz". Pass unknown=True'),
            (("mesage", None), 'did you mean "message"?'),
            (("message", "bot_mesage"), 'did you mean "bot_message"?'),
            (("message", "zzzzzz"), 'with the subtype "zzzzzz". Pass'),
            (("user_typing", "x"), '"user_typing" has none'),
            (("*", None), 'there is no event "*"'),
        ],
    )
    def test_unknown_ones_are_refused_with_a_better_one(self, dispatcher: Dispatcher, name: Any, advice: str) -> None:
        for register in (lambda: dispatcher.register(take, name), lambda: dispatcher.on(name)):
            with pytest.raises(ValueError, match=re.escape(advice)):
                register()
        assert dispatcher.bindings == ()

    @pytest.mark.parametrize("name", ["my_event", ("message", "my_subtype"), ("my_event", None)])
    def test_those_that_a_server_invents_are_taken_on_request(self, dispatcher: Dispatcher, name: Any) -> None:
        dispatcher.register(take, name, unknown=True)
        dispatcher.on(name, unknown=True)(take)
        assert len(dispatcher.bindings) == 2

    def test_an_object_that_names_an_unknown_event_is_refused(self, dispatcher: Dispatcher) -> None:
        class Bot:
            event_type = "mesage"

            def handle(self, event: Any) -> None: ...

        with pytest.raises(ValueError, match="did you mean"):
            dispatcher.register(Bot())
        dispatcher.register(Bot(), unknown=True)

    @pytest.mark.parametrize("name", ["message", "*", "?", ("message", None), ("message", "bot_message"), "hello"])
    def test_known_ones_are_taken(self, dispatcher: Dispatcher, name: Any) -> None:
        dispatcher.register(take, name)


class TestEvents:
    @pytest.mark.parametrize("odd", [5, dict, str, ("message",), ("message", 5), ("a", "b", "c"), b"message"], ids=str)
    def test_what_is_no_event_is_refused(self, dispatcher: Dispatcher, odd: Any) -> None:
        with pytest.raises(TypeError, match=r"event|pair"):
            dispatcher.on(odd)

    def test_a_class_that_no_frame_is_read_as_is_refused(self, dispatcher: Dispatcher) -> None:
        class MineEvent(Event, frozen=True, kw_only=True, tag="mine"):
            x: int

        with pytest.raises(TypeError, match=r'MineEvent.*on\("my_event", unknown=True\)'):
            dispatcher.on(MineEvent)

    def test_a_bare_decorator_is_refused_at_once(self, dispatcher: Dispatcher) -> None:
        with pytest.raises(TypeError, match=r"before it decorates .*take.* @client\.on\(MessageEvent\)"):
            dispatcher.on(take)  # type: ignore[call-overload]
        with pytest.raises(TypeError, match=r'@client\.hears\("deploy"\)'):
            dispatcher.hears(take)  # type: ignore[arg-type]

    def test_classes_may_be_joined(self, dispatcher: Dispatcher) -> None:
        got: list[Event] = []
        dispatcher.register(got.append, MessageEvent | UserTypingEvent, inline=True)  # type: ignore[call-overload]
        dispatcher.dispatch(said())
        assert len(got) == 1


class TestArity:
    def test_a_handler_must_take_the_event(self, dispatcher: Dispatcher) -> None:
        def handler() -> None: ...

        def by_name(*, event: Event) -> None: ...

        for each in (handler, by_name):
            with pytest.raises(TypeError, match=rf"{each.__name__}.*must take the event: def {each.__name__}\(event"):
                dispatcher.register(each, MessageEvent)  # type: ignore[call-overload]
            with pytest.raises(TypeError, match="must take the event"):
                dispatcher.hears()(each)  # type: ignore[type-var]

    def test_the_arguments_of_slack_sdk_are_translated(self, dispatcher: Dispatcher) -> None:
        def handle(client: Any, event: Any) -> None: ...

        def annotated(client: RTMClient, event: dict[str, Any]) -> None: ...

        with pytest.raises(TypeError, match=r"def handle\(event: MessageEvent, client: RTMClient\) here"):
            dispatcher.on("message")(handle)
        with pytest.raises(TypeError, match=r"'client' comes first, where the event is given.*def annotated\("):
            dispatcher.on("message")(annotated)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="slack_sdk's"):
            dispatcher.hears()(handle)

    def test_what_no_annotation_explains_is_refused(self, dispatcher: Dispatcher) -> None:
        def unexplained(event: Event, more) -> None: ...  # type: ignore[no-untyped-def]

        def number(event: Event, more: int) -> None: ...

        def unread(event: Event, more: "Decimal") -> None: ...

        for handler, reason in (
            (unexplained, "'more' has no annotation"),
            (number, "'more' is annotated with int"),
            (unread, "'Decimal', which cannot be read (name 'Decimal' is not defined)"),
        ):
            with pytest.raises(TypeError, match=re.escape(reason)):
                dispatcher.register(handler, MessageEvent)
        with pytest.raises(TypeError, match="'more' is annotated with int"):
            dispatcher.hears()(number)

    def test_a_match_is_for_hears(self, dispatcher: Dispatcher) -> None:
        def handler(event: MessageEvent, found: re.Match[str]) -> None: ...

        with pytest.raises(TypeError, match="only hears"):
            dispatcher.register(handler, MessageEvent)

    def test_a_generator_is_refused(self, dispatcher: Dispatcher) -> None:
        def plain(event: Event) -> Iterator[int]:
            yield 1

        async def coroutine(event: Event) -> AsyncIterator[int]:
            yield 1

        for handler in (plain, coroutine):
            with pytest.raises(TypeError, match="leave out yield"):
                dispatcher.register(handler, MessageEvent)

    def test_what_has_a_default_or_a_star_is_left_alone(self, dispatcher: Dispatcher) -> None:
        got: list[Any] = []

        def default(event: Event, more: int = 5, *, other: str = "x") -> None:
            got.append((more, other))

        def bound(event: Event, client: RTMClient | str) -> None:
            got.append(client)

        def star(*arguments: Any, **named: Any) -> None:
            got.append((len(arguments), named))

        for handler in (default, functools.partial(bound, client="mine"), star):
            dispatcher.register(handler, MessageEvent, inline=True)
        dispatcher.dispatch(said())
        assert got == [(5, "x"), "mine", (1, {})]


class TestMatch:
    @pytest.mark.parametrize("kind", ["event", "by place", "by annotation", "any", "star", "C"])
    def test_it_is_given_where_it_is_asked_for(self, dispatcher: Dispatcher, kind: str) -> None:
        got: list[Any] = []

        def event(event: MessageEvent) -> None:
            got.append(event.text)

        def by_place(event, found) -> None:  # type: ignore[no-untyped-def]
            got.append(found[1])

        def by_annotation(event: MessageEvent, more: int = 1, *, found: "re.Match[str]") -> None:
            got.append(found[more])

        def any_(event: MessageEvent, found: Any) -> None:
            got.append(found[1])

        def star(*arguments: Any) -> None:
            got.append(arguments[1][1])

        handlers: dict[str, Any] = {
            "event": event,
            "by place": by_place,
            "by annotation": by_annotation,
            "any": any_,
            "star": star,
            "C": got.append,
        }
        dispatcher.hears(r"deploy (\w+)", inline=True)(handlers[kind])
        dispatcher.dispatch(said())
        assert got == {"event": ["deploy prod"], "C": [said()]}.get(kind, ["prod"])

    def test_one_decorator_serves_several_handlers(self, dispatcher: Dispatcher) -> None:
        got: list[str] = []
        hears = dispatcher.hears("deploy", inline=True, when=lambda event: event.user == "U1")
        hears(lambda event: got.append("a"))
        hears(lambda event: got.append("b"))
        dispatcher.dispatch(said())
        assert got == ["a", "b"]


class TestClient:
    """Which client a handler is given, and when a wrong one is refused."""

    @staticmethod
    def handlers(got: list[Any]) -> tuple[Any, Any]:
        def plain(event: Event, client: RTMClient | BlockingRTMClient) -> None:
            got.append(("plain", client))

        async def coroutine(event: Event, *, client: RTMClient) -> None:
            got.append(("coroutine", client))

        return plain, coroutine

    async def test_the_asyncio_client_goes_to_both_kinds(self) -> None:
        got: list[Any] = []
        dispatcher = Dispatcher()  # as in a module that has no client
        plain, coroutine = self.handlers(got)
        dispatcher.register(plain, MessageEvent, inline=True)
        async with asyncio.timeout(10):
            client = RTMClient("xoxb-x", API, dispatcher=dispatcher)
            client.register(coroutine, MessageEvent)
            dispatcher.dispatch(said())
            await client.close()
        assert got == [("plain", client), ("coroutine", client)]

    async def test_a_blocking_client_goes_to_plain_handlers_and_the_one_inside_to_coroutines(self) -> None:
        got: list[Any] = []
        dispatcher = Dispatcher()
        plain, coroutine = self.handlers(got)
        dispatcher.register(plain, MessageEvent, inline=True)
        dispatcher.register(coroutine, MessageEvent)
        client = BlockingRTMClient("xoxb-x", API, dispatcher=dispatcher)
        dispatcher.dispatch(said())
        await until(lambda: len(got) == 2)
        async with asyncio.timeout(10):
            await asyncio.gather(*(each.close(0.0, Callers()) for each in dispatcher.bindings))
        client.close()
        assert got == [("plain", client), ("coroutine", client._client)]

    def test_the_wrong_class_is_refused_when_both_are_known(self) -> None:
        async def coroutine(event: Event, client: BlockingRTMClient) -> None: ...

        def plain(event: Event, client: BlockingRTMClient) -> None: ...

        def plain_asyncio(event: Event, client: "RTMClient | None" = None) -> None: ...

        asyncio_client, blocking = RTMClient("xoxb-x", API), BlockingRTMClient("xoxb-x", API)
        blocking.register(plain, MessageEvent)
        asyncio_client.register(plain_asyncio, MessageEvent)
        for client, handler, got in (
            (asyncio_client, plain, "a plain handler gets the RTMClient"),
            (asyncio_client, coroutine, "a coroutine handler gets the RTMClient"),
            (blocking, coroutine, "a coroutine handler gets the RTMClient"),
            (blocking, plain_asyncio, "a plain handler gets the BlockingRTMClient"),
        ):
            with pytest.raises(ConfigError, match=got):
                client.register(handler, MessageEvent)

    def test_a_dispatcher_that_one_client_could_not_take_is_free_for_another(self) -> None:
        def plain(event: Event, client: BlockingRTMClient) -> None: ...

        def any_(event: Event, client: RTMClient) -> None: ...

        first, second = Dispatcher(), Dispatcher()
        first.register(plain, MessageEvent)
        with pytest.raises(ConfigError, match="asks for BlockingRTMClient as 'client'"):
            RTMClient("xoxb-x", API, dispatcher=first)
        BlockingRTMClient("xoxb-x", API, dispatcher=first)
        second.register(any_, MessageEvent)
        with pytest.raises(ConfigError):
            BlockingRTMClient("", "", dispatcher=second)
        RTMClient("xoxb-x", API, dispatcher=second)
        with pytest.raises(ConfigError, match="belongs to another client"):
            BlockingRTMClient("xoxb-x", API, dispatcher=second)

    def test_without_a_client_the_call_fails_and_says_why(self, dispatcher: Dispatcher) -> None:
        def handler(event: Event, client: RTMClient) -> None: ...

        dispatcher.register(handler, HelloEvent, inline=True)
        (binding,) = dispatcher.bindings
        hello = decode_event('{"type":"hello"}')
        with pytest.raises(ConfigError, match="no client yet"):
            binding.take(hello)


def test_a_handler_of_the_event_alone_is_called_as_it_is(dispatcher: Dispatcher) -> None:
    """No wrapper stands between: what is not asked for costs nothing."""
    dispatcher.register(take, MessageEvent, inline=True)
    (binding,) = dispatcher.bindings
    assert binding.take is take
