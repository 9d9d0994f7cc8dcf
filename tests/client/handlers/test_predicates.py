"""``when=``: which events a handler gets is decided before they are queued."""

import json
import threading
from typing import Any

import pytest
from slack_sdk import WebClient

from drive import MakeClient, eventually
from tautwire import (
    Dispatcher,
    Event,
    MessageEvent,
    Predicate,
    ReactionAddedEvent,
    from_bots,
    from_me,
    from_people,
    from_users,
    in_channels,
    in_direct,
    in_threads,
)
from tautwire.protocol.codec import decode_event
from tautwire.testing import BlockingWorkspace

ME = "U9"


def event(**members: Any) -> Event:
    found = decode_event(json.dumps(members))
    assert isinstance(found, Event)
    return found


def said(text: str = "x", **members: Any) -> Event:
    return event(**{"type": "message", "channel": "C1", "user": "U1", "text": text, "ts": "1.000001", **members})


BY_A_PERSON = said()
BY_ME = said(user=ME)
BY_A_BOT = said(user="U2", bot_id="B1")
BY_A_WEBHOOK = event(type="message", subtype="bot_message", channel="C1", bot_id="B1", text="x", ts="1.000001")
BY_SLACKBOT = said(user="USLACKBOT")
EDITED = event(
    type="message",
    subtype="message_changed",
    channel="C1",
    ts="2.000001",
    hidden=True,
    message={"type": "message", "user": "U2", "bot_id": "B1", "text": "y", "ts": "1.000001", "thread_ts": "0.000001"},
)
DIRECT = said(channel="D1")
IN_A_THREAD = said(thread_ts="0.000001")
REACTION = event(
    type="reaction_added",
    user="U1",
    reaction="eyes",
    item={"type": "message", "channel": "C2", "ts": "1.000001"},
    event_ts="2.000001",
)
JOINED_TEAM = event(type="team_join", user={"id": "U5", "name": "eve"})
HELLO = event(type="hello")

EVENTS = {
    "person": BY_A_PERSON,
    "me": BY_ME,
    "bot": BY_A_BOT,
    "webhook": BY_A_WEBHOOK,
    "slackbot": BY_SLACKBOT,
    "edited": EDITED,
    "direct": DIRECT,
    "thread": IN_A_THREAD,
    "reaction": REACTION,
    "team": JOINED_TEAM,
    "hello": HELLO,
}


@pytest.fixture
def reports() -> list[tuple[BaseException, Any]]:
    return []


@pytest.fixture
def dispatcher(reports: list[Any]) -> Dispatcher:
    dispatcher = Dispatcher()
    dispatcher.attach(lambda error, item, _: reports.append((error, item)), lambda _: None)
    dispatcher.me = ME
    return dispatcher


PEOPLE = {"person", "me", "direct", "thread", "reaction", "team"}
BOTS = {"bot", "webhook", "slackbot", "edited"}


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        (from_people, PEOPLE),
        (from_bots, BOTS),
        (from_me, {"me"}),
        (~from_me, set(EVENTS) - {"me"}),
        (from_users("U1", ME), PEOPLE - {"team"}),
        (in_direct, {"direct"}),
        (in_channels("C2", "D1"), {"direct", "reaction"}),
        (in_threads, {"thread", "edited"}),
        (from_people & ~from_me, PEOPLE - {"me"}),
        (in_direct | in_threads, {"direct", "thread", "edited"}),
        (~(in_direct | in_threads) & in_channels("C1") & from_people, {"person", "me"}),
        (from_people & (lambda event: event.TYPE == "reaction_added"), {"reaction"}),
        ((lambda event: event.TYPE == "hello") | in_direct, {"hello", "direct"}),
        ((lambda event: event.TYPE == "message") & from_me, {"me"}),
        (Predicate(lambda event: event.TYPE == "hello"), {"hello"}),
        (lambda event: event.TYPE == "hello", {"hello"}),
    ],
)
def test_a_handler_gets_what_meets_its_condition(dispatcher: Dispatcher, when: Any, wanted: set[str]) -> None:
    got: list[Event] = []
    dispatcher.register(got.append, "*", inline=True, when=when)
    for _ in range(2):  # the second time from the kept choice
        for each in EVENTS.values():
            dispatcher.dispatch(each)
    assert got == [each for name, each in EVENTS.items() if name in wanted] * 2


def test_a_predicate_may_be_asked_by_hand() -> None:
    assert from_people(BY_A_PERSON)
    assert from_me(BY_ME, ME)
    assert not from_me(BY_ME)

    @Predicate
    def loud(event: Event) -> bool:
        return isinstance(event, MessageEvent) and event.text.isupper()

    assert (loud & ~in_direct)(said("X"))


def test_hears_asks_about_messages_whose_text_fits(dispatcher: Dispatcher) -> None:
    asked: list[str] = []
    got: list[str] = []

    def ask(event: MessageEvent) -> bool:
        asked.append(event.text)
        return event.user == "U1"

    @dispatcher.hears("deploy", inline=True, when=ask)
    def handler(event: MessageEvent) -> None:
        got.append(event.text)

    for _ in range(2):
        for each in (said("deploy a"), said("depoly b"), said("deploy c", user="U2")):
            dispatcher.dispatch(each)
    assert asked == ["deploy a", "deploy c"] * 2
    assert got == ["deploy a"] * 2


def test_an_event_that_no_condition_lets_through_is_left_over(dispatcher: Dispatcher) -> None:
    left: list[Event] = []
    dispatcher.register(lambda _: None, MessageEvent, inline=True, when=from_me)
    dispatcher.register(lambda _: None, "*", inline=True, when=in_direct)
    dispatcher.register(left.append, "?", inline=True, when=~in_threads)
    for _ in range(2):
        for each in (BY_A_PERSON, BY_ME, DIRECT, IN_A_THREAD, REACTION):
            dispatcher.dispatch(each)
    assert left == [BY_A_PERSON, DIRECT, REACTION] * 2


class TestFailures:
    @staticmethod
    async def coroutine() -> bool:
        return True

    @pytest.mark.parametrize("keeps", [True, False], ids=["kept choice", "choice for each event"])
    @pytest.mark.parametrize(
        ("when", "error"),
        [
            (lambda event: event.nothing, AttributeError),
            (lambda event: "yes", TypeError),
            (lambda event: None, TypeError),
            (lambda event: TestFailures.coroutine(), TypeError),
            (lambda event: in_direct, TypeError),
            (in_channels, TypeError),  # without its ids
            (lambda event: pytest.fail("no"), pytest.fail.Exception),
        ],
    )
    def test_a_failing_predicate_is_reported_and_means_no(
        self, dispatcher: Dispatcher, reports: list[Any], when: Any, error: type[BaseException], keeps: bool
    ) -> None:
        got: list[Event] = []
        sibling: list[Event] = []
        dispatcher.register(got.append, MessageEvent, inline=True, when=when)
        dispatcher.register(sibling.append, MessageEvent, inline=True)
        if not keeps:
            dispatcher.register(got.append, "?", inline=True)
        for _ in range(2):
            dispatcher.dispatch(BY_A_PERSON)
        assert got == []
        assert sibling == [BY_A_PERSON] * 2
        assert [(type(each), item) for each, item in reports] == [(error, BY_A_PERSON)] * 2

    def test_a_keyboard_interrupt_is_for_the_program(self, dispatcher: Dispatcher, reports: list[Any]) -> None:
        def interrupted(event: Event) -> bool:
            raise KeyboardInterrupt

        dispatcher.register(print, MessageEvent, inline=True, when=interrupted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                dispatcher.dispatch(BY_A_PERSON)
        assert reports == []


class TestRefusals:
    def test_what_cannot_decide_is_refused(self, dispatcher: Dispatcher) -> None:
        async def coroutine(event: Event) -> bool:
            return True

        def two(event: Event, more: int) -> bool:
            return True

        for when, reason in (
            (coroutine, "cannot wait"),
            (two, "called with the event alone"),
            (lambda: True, "called with the event alone"),
            (True, "must be a function"),
        ):
            for register in (dispatcher.on(MessageEvent, when=when), dispatcher.hears(when=when)):
                with pytest.raises(TypeError, match=reason):
                    register(print)
        assert dispatcher.bindings == ()

    def test_and_or_not_are_refused(self) -> None:
        for combine in (
            lambda: from_people and in_direct,
            lambda: from_people or in_direct,
            lambda: not from_people,
        ):
            with pytest.raises(TypeError, match="use &, | and ~".replace("|", r"\|")):
                combine()

    @pytest.mark.parametrize("make", [in_channels, from_users])
    def test_ids_are_required(self, make: Any) -> None:
        with pytest.raises(ValueError, match=f"{make.__name__} must be given ids"):
            make()
        with pytest.raises(ValueError, match="#general"):
            make("C1", "#general")
        with pytest.raises(TypeError, match="got 5"):
            make(5)


def test_other_handlers_of_the_class_keep_their_direct_way(dispatcher: Dispatcher) -> None:
    """A condition costs the handler that has one, not its neighbours."""

    def neighbour(event: MessageEvent) -> None: ...

    dispatcher.register(neighbour, inline=True)
    dispatcher.register(lambda _: None, MessageEvent, inline=True, when=in_direct)
    dispatcher.dispatch(BY_A_PERSON)
    ((take, _), _) = dispatcher._routes[MessageEvent]
    assert take is neighbour


def test_conditions_hold_for_both_clients_before_the_queue(
    make_client: MakeClient, blocking_workspace: BlockingWorkspace
) -> None:
    place = blocking_workspace
    general, ops = place.channel("general").id, "C0ELSEWHERE"
    client = make_client(base_url=place.api_url, token=place.person("bot").token)
    asked: set[str] = set()
    got: dict[str, list[str]] = {"people": [], "me": [], "here": [], "elsewhere": []}

    def ask(event: MessageEvent) -> bool:
        asked.add(threading.current_thread().name)
        return True

    @client.on(MessageEvent, when=from_people & ~from_me & ask)
    def on_people(event: MessageEvent) -> None:
        got["people"].append(event.text)

    @client.on(MessageEvent, when=from_me)
    def on_me(event: MessageEvent) -> None:
        got["me"].append(event.text)

    for name, channel in (("here", general), ("elsewhere", ops)):
        take = got[name].append
        client.register(lambda event, take=take: take(event.reaction), ReactionAddedEvent, when=in_channels(channel))

    client.connect()
    posted = client.web.chat_postMessage(channel=general, text="by me")
    if not hasattr(posted, "data"):
        posted = client.wait(posted)
    alice = place.person("alice")
    alice.say("#general", "by alice")
    WebClient(alice.token, place.api_url).reactions_add(channel=general, timestamp=posted["ts"], name="eyes")
    eventually(lambda: got["here"])  # and what came before it is in the queues
    eventually(lambda: got == {"people": ["by alice"], "me": ["by me"], "here": ["eyes"], "elsewhere": []})
    assert len(asked) == 1
    assert not asked.pop().startswith("tautwire-handler")
