"""Messages chosen by their text, and events that nobody else wants."""

import asyncio
import json
import re
from typing import Any

import pytest

from tautwire import BlockingRTMClient, Dispatcher, Event, MessageEvent, RTMClient
from tautwire.protocol.codec import decode_event
from tautwire.testing import BlockingWorkspace, Workspace

ME = "U9"


def event(**members: Any) -> Event:
    found = decode_event(json.dumps(members))
    assert isinstance(found, Event)
    return found


def said(text: str, *, user: str = "U1", channel: str = "C1") -> Event:
    return event(type="message", channel=channel, user=user, text=text, ts="1700000000.000001")


TYPING = event(type="user_typing", channel="C1", user="U1")
UNKNOWN = event(type="brand_new")


@pytest.fixture
def dispatcher() -> Dispatcher:
    dispatcher = Dispatcher()
    dispatcher.me = ME
    return dispatcher


def heard(
    dispatcher: Dispatcher, events: list[Event], pattern: str | re.Pattern[str] = "", **options: Any
) -> list[Any]:
    """Return what a listener was given, as it stands in the match."""
    got: list[Any] = []

    @dispatcher.hears(pattern, inline=True, **options)
    def listener(event: MessageEvent, found: re.Match[str]) -> None:
        got.append((event.text, found.string, *found.groups()))

    for each in events:
        dispatcher.dispatch(each)
    return got


def test_a_pattern_is_searched_and_its_groups_are_given(dispatcher: Dispatcher) -> None:
    events = [said("please deploy prod now"), said("deployed"), said("deploy test")]
    assert heard(dispatcher, events, r"deploy (\w+)") == [
        ("please deploy prod now", "please deploy prod now", "prod"),
        ("deploy test", "deploy test", "test"),
    ]


def test_a_compiled_pattern_keeps_its_flags(dispatcher: Dispatcher) -> None:
    assert len(heard(dispatcher, [said("DEPLOY"), said("deploy")], re.compile("Deploy", re.IGNORECASE))) == 2


def test_a_prefix_is_taken_off(dispatcher: Dispatcher) -> None:
    events = [said("!help  me "), said("!help"), said("say !help"), said("help")]
    assert [each[1] for each in heard(dispatcher, events, prefix="!help")] == ["me", ""]


@pytest.mark.parametrize("text", ["<@U9> go", "<@U9>: go", "<@U9|bot>, go", "go <@U9>", "  <@U9>go"])
def test_a_mention_addresses_us(dispatcher: Dispatcher, text: str) -> None:
    assert heard(dispatcher, [said(text)], "^go$", mention=True) == [(text, "go")]


@pytest.mark.parametrize("text", ["go", "<@U1> go", "<@U99> go", "&lt;@U9&gt; go"])
def test_whoever_does_not_mention_us_is_not_heard(dispatcher: Dispatcher, text: str) -> None:
    assert heard(dispatcher, [said(text)], "go", mention=True) == []


def test_a_direct_message_needs_no_mention(dispatcher: Dispatcher) -> None:
    events = [said("go", channel="D1"), said("<@U9> go", channel="D1")]
    assert [each[1] for each in heard(dispatcher, events, mention=True)] == ["go", "go"]


def test_our_own_messages_and_other_kinds_are_not_heard(dispatcher: Dispatcher) -> None:
    joined = event(type="message", subtype="channel_join", channel="C1", user="U1", text="x", ts="1700000000.000001")
    assert heard(dispatcher, [said("x", user=ME), joined, TYPING, UNKNOWN, said("x")]) == [("x", "x")]


def test_a_listener_comes_and_goes_without_disturbing_others(dispatcher: Dispatcher) -> None:
    got: list[str] = []
    dispatcher.register(lambda _: got.append("class"), MessageEvent, inline=True)
    dispatcher.dispatch(said("a"))

    def listener(event: MessageEvent, found: re.Match[str]) -> None:
        got.append(found[0])

    dispatcher.hears("a", inline=True)(listener)
    dispatcher.dispatch(said("a"))
    assert dispatcher.deregister(listener)
    dispatcher.dispatch(said("a"))
    assert got == ["class", "class", "a", "class"]


def test_a_listener_that_fails_is_reported_with_the_event(dispatcher: Dispatcher) -> None:
    reports: list[tuple[BaseException, Any]] = []
    dispatcher.attach(lambda error, item, _: reports.append((error, item)), lambda _: None)

    @dispatcher.hears("boom", inline=True)
    def listener(event: MessageEvent, found: re.Match[str]) -> None:
        raise LookupError(found[0])

    message = said("boom")
    dispatcher.dispatch(message)
    [(error, item)] = reports
    assert isinstance(error, LookupError)
    assert item is message


class TestUnhandled:
    @pytest.fixture
    def left(self, dispatcher: Dispatcher) -> list[Event]:
        left: list[Event] = []
        dispatcher.register(left.append, "?", inline=True)
        return left

    def test_what_nobody_wants_is_left(self, dispatcher: Dispatcher, left: list[Event]) -> None:
        dispatcher.register(lambda _: None, MessageEvent, inline=True)
        for each in (said("a"), TYPING, UNKNOWN, said("b"), TYPING, UNKNOWN):
            dispatcher.dispatch(each)
        assert left == [TYPING, UNKNOWN, TYPING, UNKNOWN]

    def test_a_handler_of_everything_handles_nothing(self, dispatcher: Dispatcher, left: list[Event]) -> None:
        seen: list[Event] = []
        dispatcher.register(seen.append, "*", inline=True)
        for each in (TYPING, UNKNOWN, TYPING):
            dispatcher.dispatch(each)
        assert left == seen == [TYPING, UNKNOWN, TYPING]

    def test_a_message_no_listener_heard_is_left(self, dispatcher: Dispatcher, left: list[Event]) -> None:
        heard_, missed = said("deploy"), said("depoly")
        heard(dispatcher, [heard_, missed, heard_], "deploy")
        assert left == [missed]

    def test_a_handler_by_name_takes_an_unknown_type(self, dispatcher: Dispatcher, left: list[Event]) -> None:
        dispatcher.register(lambda _: None, "brand_new", inline=True, unknown=True)
        dispatcher.dispatch(UNKNOWN)
        assert left == []


async def test_the_asyncio_client_knows_who_it_is(workspace: Workspace) -> None:
    bot = workspace.person("bot")
    done = asyncio.Event()
    async with RTMClient(bot.token, workspace.api_url) as client:

        @client.hears("^deploy (.+)$", mention=True)
        async def deploy(event: MessageEvent, found: re.Match[str]) -> None:
            await client.say(event.channel, f"deploying {found[1]}")
            done.set()

        await workspace.person("alice").say("#general", "@bot: deploy prod")
        async with asyncio.timeout(10):
            await done.wait()


def test_the_blocking_client_knows_who_it_is(blocking_workspace: BlockingWorkspace) -> None:
    bot = blocking_workspace.person("bot")
    with BlockingRTMClient(bot.token, blocking_workspace.api_url) as client:

        @client.hears("^deploy (.+)$", mention=True)
        def deploy(event: MessageEvent, found: re.Match[str]) -> None:
            client.say(event.channel, f"deploying {found[1]}")

        blocking_workspace.person("alice").say("#general", "@bot: deploy prod")
        blocking_workspace.channel("#general").wait_for(text="deploying prod", user=bot, within=10)
