"""Messages on their way while something goes wrong: each ends as delivered, refused or unknown, and that is true."""

import concurrent.futures
import time
from collections.abc import Callable
from typing import Any

import pytest

from subject import PATIENCE, MakeSubject, Subject, aside, eventually
from tautwire import Message, NotConnected, Rate, SendRefused, SendUnknown, Timeouts
from tautwire.testing import BlockingWorkspace, Faults, Link
from tautwire.testing.workspace import BlockingChannel

ENDS = {"FIN": Link.fin, "RST": Link.rst, "Close": Link.close, "goodbye": Link.goodbye}


@pytest.fixture
def general(blocking_workspace: BlockingWorkspace) -> BlockingChannel:
    return blocking_workspace.channel("general")


def stored(general: BlockingChannel, text: str) -> list[str]:
    """Return the timestamps of all messages with this text."""
    return [line.ts for line in general.lines if line.text == text]


def cut_off(subject: Subject, faults: Faults) -> None:
    """Take the connection away and let no other come about."""
    faults.refuse_connections()
    subject.link.rst()
    eventually(lambda: not subject.is_ready())


class TestAcks:
    def test_a_lost_ack_leaves_the_outcome_unknown_and_blocks_nobody(
        self, make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        subject = make_subject(timeouts=Timeouts(reply=1.0))
        subject.connect()
        faults.lose_acks()
        lost = aside(lambda: subject.say(general.id, "lost"))
        eventually(lambda: stored(general, "lost"))
        began = time.monotonic()
        for number in range(10):
            assert subject.say(general.id, str(number)).ts == stored(general, str(number))[0]
        assert not lost.done()

        with pytest.raises(SendUnknown):
            lost.result(PATIENCE)
        assert time.monotonic() - began < 2.0
        assert len(stored(general, "lost")) == 1
        assert subject.connects == 1

    def test_a_late_ack_is_waited_for(self, subject: Subject, faults: Faults, general: BlockingChannel) -> None:
        subject.connect()
        faults.late_acks(0.5)
        late = aside(lambda: subject.say(general.id, "late"))
        eventually(lambda: stored(general, "late"))
        assert [subject.say(general.id, "after").ts] == stored(general, "after")
        assert [late.result(PATIENCE).ts] == stored(general, "late")

    def test_an_ack_that_is_too_late_belongs_to_nobody(
        self, make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        subject = make_subject(timeouts=Timeouts(reply=0.2))
        subject.connect()
        faults.late_acks(0.5)
        with pytest.raises(SendUnknown):
            subject.say(general.id, "too late")

        for number in range(5):
            assert [subject.say(general.id, str(number)).ts] == stored(general, str(number))
        assert len(stored(general, "too late")) == 1

    def test_a_refusal_is_told(self, subject: Subject) -> None:
        subject.connect()
        with pytest.raises(SendRefused) as told:
            subject.say("C0NOWHERE", "anybody?")
        assert told.value.code == 0

    @pytest.mark.parametrize("end", [Link.close, Link.goodbye], ids=["Close", "goodbye"])
    def test_an_ack_lost_with_its_connection_is_never_taken_for_a_success(
        self, end: Callable[[Link], None], make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        subject = make_subject(timeouts=Timeouts(reply=1.0))
        subject.connect()
        lost = self._lose_ack(subject, faults, general, end)
        with pytest.raises(SendUnknown):
            lost.result(PATIENCE)
        self._goes_on(subject, general)

    @pytest.mark.parametrize("end", [Link.fin, Link.rst], ids=["FIN", "RST"])
    def test_a_replay_settles_what_was_lost_with_its_connection(
        self, end: Callable[[Link], None], subject: Subject, faults: Faults, general: BlockingChannel
    ) -> None:
        """The server tells whoever lost a connection that the last message was stored."""
        subject.connect()
        lost = self._lose_ack(subject, faults, general, end)
        assert [lost.result(PATIENCE).ts] == stored(general, "lost")
        self._goes_on(subject, general)

    def test_what_another_client_of_the_user_sent_settles_nothing(
        self, make_subject: MakeSubject, general: BlockingChannel
    ) -> None:
        """Two programs with one token, which happen to give their messages the same id."""
        ours, theirs = make_subject(), make_subject(auto_reconnect=False)
        ours.connect()
        our_link = ours.link
        theirs.connect()
        our_link.silence()
        lost = aside(lambda: ours.send(Message(general.id, "ours", id=7)))
        theirs.send(Message(general.id, "theirs", id=7))
        ours.faults.links[-1].rst()
        eventually(lambda: theirs.closes)
        our_link.rst()
        with pytest.raises(SendUnknown):
            lost.result(PATIENCE)
        assert stored(general, "ours") == []

    def _lose_ack(
        self, subject: Subject, faults: Faults, general: BlockingChannel, end: Callable[[Link], None]
    ) -> "concurrent.futures.Future[Any]":
        faults.lose_acks()
        lost = aside(lambda: subject.say(general.id, "lost"))
        eventually(lambda: stored(general, "lost"))
        end(subject.link)
        return lost

    def _goes_on(self, subject: Subject, general: BlockingChannel) -> None:
        subject.wait_opened(2)
        assert len(stored(general, "lost")) == 1
        assert [subject.say(general.id, "after").ts] == stored(general, "after")


class TestWithoutConnection:
    def test_a_send_waits_for_the_connection(self, subject: Subject, faults: Faults, general: BlockingChannel) -> None:
        subject.connect()
        cut_off(subject, faults)
        waiting = [aside(lambda number=number: subject.say(general.id, f"w{number}")) for number in range(5)]
        eventually(lambda: subject.errors)
        assert not any(each.done() for each in waiting)
        faults.clear()

        for number, each in enumerate(waiting):
            assert [each.result(PATIENCE).ts] == stored(general, f"w{number}")

    def test_but_not_longer_than_told(
        self, make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        subject = make_subject(send_timeout=0.3)
        subject.connect()
        cut_off(subject, faults)
        began = time.monotonic()
        with pytest.raises(NotConnected):
            subject.say(general.id, "anybody?")
        assert 0.3 <= time.monotonic() - began < 1.3
        faults.clear()
        subject.wait_ready()

        assert [subject.say(general.id, "back").ts] == stored(general, "back")
        assert stored(general, "anybody?") == []

    def test_nor_for_its_turn_to_wait(
        self, make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        """What waits for a connection does not wait for the limiter first, which would take minutes here."""
        subject = make_subject(send_timeout=0.3, message_rate=Rate(per_second=0.01, burst=2))
        subject.connect()
        subject.say(general.id, "the only one")
        cut_off(subject, faults)
        for each in [aside(lambda: subject.say(general.id, "anybody?")) for _ in range(4)]:
            with pytest.raises(NotConnected):
                each.result(PATIENCE)
        faults.clear()
        subject.wait_ready()

        assert [subject.say(general.id, "back").ts] == stored(general, "back")

    def test_a_message_whose_turn_comes_without_a_connection_waits_for_the_next(
        self, make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        subject = make_subject(message_rate=Rate(per_second=2.0, burst=1))
        subject.connect()
        subject.say(general.id, "first")
        second = aside(lambda: subject.say(general.id, "second"))
        faults.delay(1.0, "rtm.connect")
        subject.link.rst()

        assert [second.result(PATIENCE).ts] == stored(general, "second")
        assert subject.connects == 2

    def test_or_fails_at_once_if_told_so(
        self, make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        subject = make_subject(offline="fail").connect()
        cut_off(subject, faults)
        began = time.monotonic()
        with pytest.raises(NotConnected):
            subject.say(general.id, "anybody?")
        assert time.monotonic() - began < 0.3

    def test_or_forgets_what_nobody_waits_for_if_told_so(
        self, make_subject: MakeSubject, faults: Faults, general: BlockingChannel
    ) -> None:
        """A message is no such thing: it must not look as if it had been sent. A subscription is remembered."""
        subject = make_subject(offline="drop").connect()
        cut_off(subject, faults)
        began = time.monotonic()
        subject.typing(general.id)
        subject.presence_query(["U1"])
        with pytest.raises(NotConnected):
            subject.say(general.id, "anybody?")
        subject.presence_sub(["U1"])
        assert time.monotonic() - began < 0.3
        faults.clear()
        subject.wait_ready()
        assert [subject.say(general.id, "back").ts] == stored(general, "back")
        assert stored(general, "anybody?") == []

    def test_what_may_be_forgotten_is_refused_where_no_connection_is_being_made(
        self, make_subject: MakeSubject, general: BlockingChannel
    ) -> None:
        subject = make_subject(offline="drop")
        with pytest.raises(NotConnected):
            subject.typing(general.id)
        subject.connect()
        subject.disconnect()
        with pytest.raises(NotConnected):
            subject.typing(general.id)

    def test_before_any_attempt_it_fails(self, subject: Subject, general: BlockingChannel) -> None:
        with pytest.raises(NotConnected):
            subject.say(general.id, "anybody?")

    def test_a_client_that_gives_up_tells_those_who_wait(
        self, subject: Subject, faults: Faults, general: BlockingChannel
    ) -> None:
        subject.connect()
        faults.fail("rtm.connect", times=2)
        faults.error("rtm.connect", "account_inactive")
        subject.link.rst()
        eventually(lambda: not subject.is_ready())
        with pytest.raises(Exception, match="account_inactive"):
            subject.say(general.id, "anybody?")

    @pytest.mark.parametrize("verb", ["close", "disconnect"])
    def test_leaving_tells_those_who_wait(
        self, subject: Subject, faults: Faults, general: BlockingChannel, verb: str
    ) -> None:
        subject.connect()
        cut_off(subject, faults)
        waiting = aside(lambda: subject.say(general.id, "anybody?"))
        eventually(lambda: subject.errors)
        getattr(subject, verb)()

        with pytest.raises(Exception, match=r"closed|disconnected"):
            waiting.result(2.0)


@pytest.mark.workspace(rate_limits=True)
def test_too_fast_for_the_server_is_slowed_down(make_subject: MakeSubject, general: BlockingChannel) -> None:
    """The server allows a burst of 20, then 1/s; the client learns from the first refusal."""
    subject = make_subject(message_rate=Rate(per_second=20.0, burst=30))
    subject.connect()
    outcomes = [_outcome(subject, general, str(number)) for number in range(24)]

    codes = [each.code for each in outcomes if isinstance(each, SendRefused)]
    assert codes
    assert set(codes) == {-1}
    assert len(codes) <= 4
    assert subject.connects == 1


def _outcome(subject: Subject, general: BlockingChannel, text: str) -> Any:
    try:
        return subject.say(general.id, text)
    except Exception as error:
        return error


def test_every_outcome_is_true_whatever_happens(
    make_subject: MakeSubject, faults: Faults, general: BlockingChannel
) -> None:
    """Four people send through one client, acks get lost and late, connections end: nobody is told a lie."""
    subject = make_subject(timeouts=Timeouts(reply=0.4))
    subject.connect()
    outcomes: dict[str, Any] = {}

    def send(name: str) -> None:
        for number in range(25):
            text = f"{name}{number}"
            outcomes[text] = _outcome(subject, general, text)

    senders = [aside(lambda name=name: send(name)) for name in "abcd"]
    for number, end in enumerate([*ENDS.values(), Link.fin]):
        goal = len(outcomes) + 8
        faults.late_acks(0.05, times=3)
        eventually(lambda goal=goal: len(outcomes) >= goal)
        faults.lose_acks(2)
        end(subject.link)
        subject.wait_opened(number + 2)
    concurrent.futures.wait(senders, 3 * PATIENCE)

    assert len(outcomes) == 100
    for text, outcome in outcomes.items():
        found = stored(general, text)
        if isinstance(outcome, SendUnknown):
            assert len(found) <= 1, f"{text} is stored {len(found)} times"
        else:
            assert not isinstance(outcome, Exception), outcome
            assert found == [outcome.ts]


@pytest.mark.parametrize("way", ["RST", "goodbye", "reconnect"])
def test_what_got_its_ack_is_no_news_after_a_resume(
    subject: Subject, general: BlockingChannel, blocking_workspace: BlockingWorkspace, way: str
) -> None:
    """The server tells all that happened since a position of some seconds ago, and cannot know who has the acks."""
    alice = blocking_workspace.person("alice")
    subject.connect()
    for number in range(3):
        subject.say(general.id, f"mine {number}")
    alice.say("general", "before")
    eventually(lambda: subject.heard == ["before"])
    if way == "reconnect":
        subject.reconnect()
    else:
        ENDS[way](subject.link)
        subject.wait_opened(2)
    alice.say("general", "after")
    eventually(lambda: "after" in subject.heard)
    assert subject.heard == ["before", "after"]
