"""What a connection passes on, keeps back, and whether it reads: pure decisions, without a socket."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from tautwire.client.backpressure import Backpressure
from tautwire.client.connection.intake import MAX_HELD, Intake
from tautwire.session.client import Deliver, Positioned


class Inbox:
    raw: Any = None

    def __init__(self) -> None:
        self.flow = Backpressure()
        self.got: list[object] = []

    def events_received(self, arrivals: Iterable[Any], frames: Sequence[bytes]) -> None:
        self.got += frames

    def positioned(self, position: str) -> None:
        self.got.append(position)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def intake(inbox: Inbox) -> Intake:
    return Intake(inbox)  # type: ignore[arg-type]


def event(text: bytes) -> Deliver:
    return Deliver([], [text])


def mark(inbox: Inbox, *, is_full: bool = False, is_stuffed: bool = False) -> None:
    inbox.flow.mark("queue", "handler", is_full=is_full, is_stuffed=is_stuffed)


def test_what_comes_is_passed_on_at_once(inbox: Inbox, intake: Intake) -> None:
    intake.put(event(b"1"))
    intake.put(Positioned("p"))
    assert inbox.got == [b"1", "p"]
    assert not intake.may_pass_on


@pytest.mark.parametrize("reason", ["hold", "no room"])
def test_what_is_kept_back_comes_out_in_order_and_holds_back_what_follows(
    inbox: Inbox, intake: Intake, reason: str
) -> None:
    intake.is_on_hold = reason == "hold"
    mark(inbox, is_full=True, is_stuffed=reason == "no room")
    intake.put(event(b"1"))
    assert (inbox.got, intake.may_pass_on) == ([], False)
    intake.is_on_hold = False
    mark(inbox)
    intake.put(event(b"2"))  # there is room, but it is not its turn
    assert (inbox.got, intake.may_pass_on) == ([], True)
    for each in intake.take():
        intake.pass_on(each)
    assert inbox.got == [b"1", b"2"]
    assert intake.take() == []


@pytest.mark.parametrize(
    ("is_full", "is_stuffed", "is_owed", "takes_one", "reads"),
    [
        (False, False, False, False, True),
        (True, False, False, False, False),
        (True, False, True, False, True),
        (True, False, False, True, True),
        (True, True, True, True, False),
    ],
)
def test_a_full_queue_is_read_for_a_reply_and_a_stuffed_one_for_nothing(
    inbox: Inbox, intake: Intake, is_full: bool, is_stuffed: bool, is_owed: bool, takes_one: bool, reads: bool
) -> None:
    mark(inbox, is_full=is_full, is_stuffed=is_stuffed)
    intake.takes_one_read = takes_one
    assert intake.wants(is_owed=is_owed) is reads


@pytest.mark.parametrize(
    ("size", "is_full", "is_stuffed"),
    [(MAX_HELD - 1, False, False), (MAX_HELD, True, False), (2 * MAX_HELD, True, True)],
)
def test_what_comes_on_hold_is_bounded_in_bytes(intake: Intake, size: int, is_full: bool, is_stuffed: bool) -> None:
    intake.size = size
    assert (intake.is_full, intake.is_stuffed) == (is_full, is_stuffed)
    intake.take()
    assert not intake.is_full


def test_the_server_counts_as_heard_only_as_far_as_what_it_said_was_passed_on(intake: Intake) -> None:
    assert intake.heard_at(5.0) == 5.0
    intake.note_heard(5.0)
    intake.is_on_hold = True
    intake.put(event(b"1"))
    intake.note_heard(6.0)
    assert intake.heard_at(7.0) == 5.0
    intake.take()
    intake.turn(reads=False, heard_at=8.0)
    assert intake.heard_at(9.0) == 8.0
    intake.turn(reads=True, heard_at=9.0)
    assert intake.heard_at(10.0) == 10.0
