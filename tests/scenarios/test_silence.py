"""Half-open connections: the socket is there, nobody speaks. And servers that are quiet, but there."""

import time

import pytest

from subject import MakeSubject, Subject, Talk, eventually, stays
from tautwire import Timeouts
from tautwire.testing import Faults

SHORT = Timeouts(hello=2.0, idle=0.2, silence=0.8)

SLACK = 1.2
"""Seconds on top of the limit: the client gives a second to what may wait in the socket of a busy program."""


@pytest.fixture
def subject(make_subject: MakeSubject) -> Subject:
    return make_subject(timeouts=SHORT)


def pings(sent: list[bytes]) -> int:
    return sum(b'"ping"' in each for each in sent)


def test_silence_from_the_first_moment_is_noticed_in_time(subject: Subject, talk: Talk) -> None:
    """Before the first pong, that is, and with people talking to the dead end."""
    subject.connect()
    silent_at = time.monotonic()
    subject.link.silence()
    with talk:
        subject.wait_opened(2)
        talk.go_on()

    talk.was_heard_by(subject)
    _noticed_in_time(subject, silent_at)


def test_silence_later_is_noticed_in_time(subject: Subject, talk: Talk) -> None:
    subject.connect()
    first = subject.link
    eventually(lambda: pings(first.sent) >= 3, "no pings")
    eventually(lambda: subject.round_trip is not None, "no pong")
    with talk:
        talk.go_on()
        silent_at = time.monotonic()
        first.silence()
        subject.wait_opened(2)
        talk.go_on()

    talk.was_heard_by(subject)
    _noticed_in_time(subject, silent_at)


def test_silence_in_the_middle_of_a_frame_is_noticed(subject: Subject, talk: Talk) -> None:
    subject.connect()
    silent_at = time.monotonic()
    subject.link.raw(b"\x81\x7e\x01\x00half a mess")
    subject.link.silence()
    with talk:
        subject.wait_opened(2)

    talk.was_heard_by(subject)
    _noticed_in_time(subject, silent_at)


def test_a_quiet_workspace_is_no_silence(subject: Subject, faults: Faults) -> None:
    subject.connect()
    link = subject.link
    eventually(lambda: pings(link.sent) >= 12, "no pings")

    assert subject.connects == 1
    assert subject.closes == []
    assert len(link.sent) == pings(link.sent)


def test_pings_come_only_when_nobody_speaks(subject: Subject, talk: Talk) -> None:
    subject.connect()
    link = subject.link
    with talk:
        stays(subject.is_ready, "not connected any more", 3 * SHORT.idle)

    talk.was_heard_by(subject)
    assert pings(link.sent) == 0


def _noticed_in_time(subject: Subject, silent_at: float) -> None:
    eventually(lambda: len(subject.closes) == 1)
    noticed_at, closed = subject.closes[0]
    assert closed.code is None
    assert "silence" in closed.reason
    assert SHORT.silence - 0.1 <= noticed_at - silent_at <= SHORT.silence + SLACK
    assert subject.connects == 2
