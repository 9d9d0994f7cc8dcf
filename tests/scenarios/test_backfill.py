"""Gaps that no server fills for us: the client reads the history, and the conversation stays whole."""

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from subject import Kind, MakeSubject, Subject, Talk, eventually
from tautwire import (
    AnyMessage,
    Backfill,
    Backfilled,
    BackfillIncomplete,
    Event,
    MessageEvent,
    ReactionAddedEvent,
    Resume,
    UserTypingEvent,
)
from tautwire.client.notices import ClientState
from tautwire.testing import FOREVER, BlockingWorkspace, Faults

CHANNELS = pytest.mark.workspace(channels=["general", "random"])

HISTORY = "conversations.history"


class Reader:
    """A client with a back-fill of #general, connected to a server that is not ours, and what it was told."""

    def __init__(
        self, place: BlockingWorkspace, make: MakeSubject, channels: Sequence[str] = ("general",), **options: Any
    ) -> None:
        self.place = place
        self.general = place.channel("general").id
        place.faults.be_foreign()
        self.subject: Subject = make(backfill=Backfill([place.channel(each).id for each in channels], **options))
        self.told: list[str] = []
        """Texts as they came, with a star where they were found."""
        self.frames: list[str] = []
        """What the server said, held back or not."""
        self.reports: list[Backfilled] = []
        self.subject.client.register(self.subject.handler(self._hear), AnyMessage)
        self.subject.client.add_backfill_handler(self.reports.append)
        self.subject.client.add_message_handler(self.frames.append)
        self.subject.connect()
        place.clock.turn(5)  # away from what was said before

    def _hear(self, event: Event) -> None:
        self.told.append(getattr(event, "text", event.SUBTYPE or "") + ("*" if event.is_backfilled else ""))

    def say(self, *texts: str, channel: str = "general") -> None:
        for text in texts:
            self.place.person("alice").say(channel, text)

    def hears(self, *texts: str) -> None:
        eventually(lambda: len(self.told) >= len(texts), f"heard {self.told}, not {texts}")
        assert self.told == list(texts)

    def begin(self) -> None:
        """Let something be said and heard."""
        self.say("before")
        self.hears("before")

    def arrives(self, text: str) -> None:
        """Wait until the client read a text, whether its handlers have it or not."""
        eventually(lambda: any(f'"{text}"' in each for each in list(self.frames)), f"{text} never came")

    def miss(self, *texts: str, before: Callable[[], None] | None = None) -> None:
        """Lose the connection, and get another after something was said."""
        faults, subject = self.place.faults, self.subject
        hellos = subject.hellos
        faults.refuse_connections()
        faults.links[-1].fin()
        eventually(lambda: subject.state is ClientState.WAITING, f"{subject.state}")
        for text in texts:
            self.say(text)
        if before is not None:
            before()
        faults.refuse_connections(False)
        subject.wait_opened(hellos + 1)

    def errors(self) -> list[BackfillIncomplete]:
        return [each for each in self.subject.errors if isinstance(each, BackfillIncomplete)]

    def filled(self, times: int = 1) -> Backfilled:
        eventually(lambda: len(self.reports) >= times, f"not filled: {self.subject.errors}")
        assert len(self.reports) == times
        return self.reports[-1]


MakeReader = Callable[..., Reader]


@pytest.fixture
def make_reader(blocking_workspace: BlockingWorkspace, make_subject: MakeSubject) -> MakeReader:
    return lambda **options: Reader(blocking_workspace, make_subject, **options)


@pytest.fixture
def reader(make_reader: MakeReader) -> Reader:
    return make_reader()


def test_what_was_said_in_a_gap_comes_marked_and_once(reader: Reader) -> None:
    reader.begin()
    reader.miss("missed 1", "missed 2")
    reader.hears("before", "missed 1*", "missed 2*")  # else the history may have the next one too
    reader.say("after")

    reader.hears("before", "missed 1*", "missed 2*", "after")
    report = reader.filled()
    gap = reader.subject.gaps[0]
    assert gap.filling == (reader.general,)
    assert gap.resume is None
    assert not gap.is_filled
    assert report.gaps == (gap,)
    assert report.counts == {reader.general: 2}
    assert report.is_complete
    assert reader.errors() == []


def test_without_a_backfill_a_gap_against_another_server_stays_one(
    blocking_workspace: BlockingWorkspace, make_subject: MakeSubject, faults: Faults
) -> None:
    """The fault does what it says, or the other scenarios would show nothing."""
    faults.be_foreign()
    subject = make_subject().connect()
    faults.refuse_connections()
    subject.link.fin()
    eventually(lambda: subject.state is ClientState.WAITING)
    blocking_workspace.person("alice").say("general", "missed")
    faults.refuse_connections(False)
    subject.wait_opened(2)
    blocking_workspace.person("alice").say("general", "after")
    eventually(lambda: subject.heard)
    assert subject.heard == ["after"]
    assert subject.gaps[0].resume is None
    assert subject.gaps[0].filling == ()
    assert subject.position is None


def test_our_own_server_fills_its_gaps_by_itself(
    blocking_workspace: BlockingWorkspace, make_subject: MakeSubject, faults: Faults
) -> None:
    subject = make_subject(backfill=Backfill([blocking_workspace.channel("general").id])).connect()
    with Talk(blocking_workspace) as talk:
        talk.go_on()
        subject.link.fin()
        subject.wait_opened(2)
        talk.go_on()
    talk.was_heard_by(subject)
    assert subject.gaps[0].resume is Resume.RESUMED
    assert subject.gaps[0].filling == ()
    assert faults.count(HISTORY) == 0


def test_a_conversation_stays_whole_however_often_the_connection_breaks(
    reader: Reader, blocking_workspace: BlockingWorkspace
) -> None:
    with Talk(blocking_workspace) as talk:
        for number in range(8):
            talk.go_on()
            [reader.subject.link.fin, reader.subject.link.rst][number % 2]()
            reader.subject.wait_opened(number + 2)
        talk.go_on()
    talk.was_heard_by(reader.subject)
    assert reader.errors() == []


def test_the_newest_win_and_the_rest_is_told(make_reader: MakeReader) -> None:
    reader = make_reader(limit=2)
    reader.begin()
    reader.miss("1", "2", "3", "4")
    reader.hears("before", "3*", "4*")
    reader.say("after")

    reader.hears("before", "3*", "4*", "after")
    eventually(reader.errors)
    assert "more than 2" in str(reader.errors()[0])
    assert reader.filled().incomplete == tuple(reader.errors())


def test_many_pages_are_read(reader: Reader) -> None:
    reader.begin()
    numbers = [str(each) for each in range(450)]
    reader.miss(*numbers)
    reader.hears("before", *(f"{each}*" for each in numbers))
    assert reader.place.faults.count(HISTORY) == 3


def test_a_rate_limit_is_waited_out(reader: Reader) -> None:
    reader.begin()
    reader.place.faults.rate_limit(HISTORY, retry_after=1)
    reader.miss("missed")
    reader.say("after")
    reader.hears("before", "missed*", "after")
    assert reader.filled().is_complete
    assert reader.place.faults.count(HISTORY) == 2


FAILURES: dict[str, Callable[[Faults], None]] = {
    "not_in_channel": lambda faults: faults.error(HISTORY, "not_in_channel"),
    "HTTP status 500": lambda faults: faults.fail(HISTORY, times=FOREVER),
    "Server disconnected": lambda faults: faults.drop(HISTORY, times=FOREVER),
    "ratelimited": lambda faults: faults.rate_limit(HISTORY, retry_after=600),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_filling_that_fails_is_told_and_holds_nothing_back(make_reader: MakeReader, reason: str) -> None:
    reader = make_reader(timeout=8.0)
    reader.begin()
    FAILURES[reason](reader.place.faults)
    reader.miss("missed")
    reader.say("after")

    reader.hears("before", "after")
    eventually(reader.errors)
    (error,) = reader.errors()
    assert error.channel == reader.general
    assert reason in error.reason
    assert not reader.filled().is_complete


@CHANNELS
def test_only_the_conversation_that_is_filled_waits(reader: Reader) -> None:
    heard: list[tuple[str, Event]] = []
    for each in (MessageEvent, ReactionAddedEvent, UserTypingEvent):
        reader.subject.client.register(lambda event: heard.append((event.TYPE, event)), each, inline=True)
    reader.begin()
    eventually(lambda: heard)
    reader.place.faults.delay(0.7, HISTORY)
    reader.miss("missed")
    line = reader.place.person("alice").say("general", "after")
    reader.arrives("after")
    _react(reader, line.ts)
    reader.say("elsewhere", channel="random")
    reader.place.person("alice").type("random")
    eventually(lambda: len(heard) >= 3)
    assert [each for each, _ in heard] == ["message", "message", "user_typing"]
    assert reader.reports == []

    eventually(lambda: len(heard) >= 6)
    assert [getattr(event, "text", kind) for kind, event in heard] == [
        "before", "elsewhere", "user_typing", "missed", "after", "reaction_added",
    ]  # fmt: skip
    assert [event.is_backfilled for _, event in heard] == [False, False, False, True, False, False]


def _react(reader: Reader, stamp: str) -> None:
    item = {"type": "message", "channel": reader.general, "ts": stamp}
    reaction = {"type": "reaction_added", "user": "U1", "reaction": "owl", "item": item, "event_ts": stamp}
    reader.place.faults.links[-1].inject(json.dumps(reaction))


def test_a_gap_during_a_filling_is_filled_with_it(reader: Reader) -> None:
    reader.begin()
    reader.place.faults.delay(3.0, HISTORY)
    reader.miss("missed 1")
    reader.say("between")
    reader.arrives("between")
    eventually(lambda: reader.place.faults.count(HISTORY))
    reader.miss("missed 2")
    reader.say("after")

    reader.hears("before", "missed 1*", "between", "missed 2*", "after")
    report = reader.filled()
    assert report.gaps == tuple(reader.subject.gaps)
    assert len(report.gaps) == 2
    assert report.is_complete


@pytest.mark.parametrize("end", ["close", "disconnect"])
def test_an_end_during_a_filling_is_quick_and_delivers_what_came(reader: Reader, end: str) -> None:
    """That no task is left is seen to by the fixture."""
    reader.begin()
    reader.place.faults.delay(3.0, HISTORY)
    reader.miss("missed")
    reader.say("after")
    eventually(lambda: reader.place.faults.count(HISTORY))
    reader.arrives("after")

    began = time.monotonic()
    getattr(reader.subject, end)()

    assert time.monotonic() - began < 2.5
    reader.hears("before", "after")
    if end == "disconnect":
        eventually(reader.errors)
        assert reader.errors()[0].reason == "the client was stopped"
        reader.subject.connect()
        reader.say("again")
        reader.hears("before", "after", "again")


@pytest.mark.workspace(channels=["general", "random", "lobby"])
def test_a_quiet_channel_is_filled_whatever_our_clock_says(make_reader: MakeReader) -> None:
    """Nothing was ever said there, and the server's clock goes wrong: its newest event tells where to begin."""
    reader = make_reader(channels=["random"])
    reader.place.clock.step(-3600)
    reader.say("elsewhere", channel="lobby")
    reader.hears("elsewhere")
    reader.miss(before=lambda: reader.say("missed", channel="random"))
    reader.hears("elsewhere", "missed*")


def test_messages_of_our_own_do_not_come_back(reader: Reader) -> None:
    reader.begin()
    reader.subject.say(reader.general, "ours")
    reader.miss("missed")
    reader.hears("before", "missed*")
    reader.subject.say(reader.general, "ours again")
    reader.say("after")
    reader.hears("before", "missed*", "after")


def test_what_other_methods_post_as_us_in_a_gap_comes(reader: Reader, kind: Kind) -> None:
    reader.begin()
    bot = reader.place.person("bot")
    reader.miss(before=lambda: bot.say("general", "by the way") and None)
    reader.hears("before", "by the way*")
