"""One connection takes over from another that still speaks: nothing is lost, nothing is heard twice, no gap is told."""

from collections.abc import Callable

import pytest

from subject import MakeSubject, Subject, Talk, aside, eventually, stays
from tautwire import PresenceChangeEvent
from tautwire.testing import BlockingWorkspace, Faults, Link


def test_goodbye_is_followed_by_a_successor(subject: Subject, talk: Talk) -> None:
    subject.connect()
    first = subject.link
    with talk:
        talk.go_on()
        first.goodbye()
        subject.wait_opened(2)
        eventually(lambda: first.is_closed, "the old connection stays")
        talk.go_on()

    talk.was_heard_by(subject)
    assert subject.connects == 2
    assert subject.gaps == []
    assert first.close_code == 1000


def test_goodbye_again_and_again(subject: Subject, talk: Talk) -> None:
    subject.connect()
    with talk:
        for number in range(10):
            talk.go_on(5)
            subject.link.goodbye()
            subject.wait_opened(number + 2)

    talk.was_heard_by(subject)
    assert subject.connects == 11
    assert subject.gaps == []


def test_many_goodbyes_are_one(subject: Subject, faults: Faults, talk: Talk) -> None:
    subject.connect()
    faults.delay(0.2, "rtm.connect")
    with talk:
        for _ in range(10):
            subject.link.goodbye()
        talk.go_on(100)

    talk.was_heard_by(subject)
    assert subject.connects == 2


@pytest.mark.parametrize("end", [Link.fin, Link.rst, Link.close], ids=["FIN", "RST", "Close"])
def test_the_old_connection_may_end_before_the_new_one_is_there(
    end: Callable[[Link], None], subject: Subject, faults: Faults, talk: Talk
) -> None:
    subject.connect()
    old = subject.link
    faults.delay(1.0, "rtm.connect")
    with talk:
        talk.go_on()
        old.goodbye()
        eventually(lambda: subject.connects == 2)
        talk.go_on()
        end(old)
        eventually(lambda: not subject.is_ready())
        subject.wait_ready()
        talk.go_on()

    talk.was_heard_by(subject)
    assert subject.connects == 2


def test_a_successor_that_fails_is_tried_again_while_the_old_one_serves(
    subject: Subject, faults: Faults, talk: Talk
) -> None:
    subject.connect()
    first = subject.link
    faults.upgrade("refuse", times=2)
    with talk:
        talk.go_on()
        first.goodbye()
        subject.wait_opened(2)
        talk.go_on()

    talk.was_heard_by(subject)
    assert subject.connects == 4
    assert subject.gaps == []


def test_a_migration_is_survived(subject: Subject, talk: Talk) -> None:
    subject.connect()
    with talk:
        talk.go_on()
        subject.link.migration()
        subject.wait_opened(2)
        talk.go_on()

    talk.was_heard_by(subject)
    assert subject.connects == 2


def test_a_reply_that_is_on_its_way_still_comes(
    subject: Subject, faults: Faults, blocking_workspace: BlockingWorkspace
) -> None:
    subject.connect()
    first = subject.link
    faults.late_acks(0.3)
    saying = aside(lambda: subject.say(blocking_workspace.channel("general").id, "on its way"))
    eventually(lambda: first.sent)
    first.goodbye()
    subject.wait_opened(2)

    assert saying.result(5).ts == blocking_workspace.channel("general").wait_for("on its way").ts
    eventually(lambda: first.is_closed)


def test_reconnecting_at_will_loses_nothing(subject: Subject, talk: Talk) -> None:
    subject.connect()
    with talk:
        for _ in range(5):
            talk.go_on()
            subject.reconnect()

    talk.was_heard_by(subject)
    assert subject.connects == 6
    assert subject.gaps == []


@pytest.mark.parametrize("end", [Link.fin, Link.goodbye], ids=["a drop", "a goodbye"])
def test_presence_is_subscribed_again(
    end: Callable[[Link], None], subject: Subject, make_subject: MakeSubject, blocking_workspace: BlockingWorkspace
) -> None:
    bob = blocking_workspace.person("bob").id
    told: list[tuple[str, str]] = []
    subject.register(subject.handler(lambda event: told.extend(_states(event))), PresenceChangeEvent)
    subject.connect()
    subject.presence_sub([bob])
    eventually(lambda: told == [(bob, "away")])
    end(subject.link)
    subject.wait_opened(2)
    eventually(lambda: told[1:] == [(bob, "away")], f"told {told}")
    visitor = make_subject(name="bob")
    visitor.connect()

    eventually(lambda: told[2:] == [(bob, "active")], f"told {told}")
    visitor.close()
    eventually(lambda: told[3:] == [(bob, "away")], f"told {told}")
    stays(lambda: len(told) == 4, f"told {told}", 0.1)


def _states(event: PresenceChangeEvent) -> list[tuple[str, str]]:
    users = event.users if event.users is not None else [event.user]
    return [(str(each), event.presence) for each in users]
