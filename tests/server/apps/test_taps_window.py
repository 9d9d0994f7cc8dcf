"""Which events wait for an acknowledgement, and how far an app is done."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tautwire.server.taps.window import (
    ACK_TIME,
    LOST,
    MAX_ATTEMPTS,
    MAX_FLYING,
    MAX_FLYING_BYTES,
    MAX_OPEN,
    MAX_RETRIES,
    MAX_STORED,
    PATIENCE,
    PAUSES,
    TIMEOUT,
    Open,
    Window,
)


def send(window: Window, position: int, now: float = 0.0, *, size: int = 1, connection: int = 1) -> Open:
    event = window.open((position, 0))
    window.sent(event, str(position), size, connection, now)
    window.read = position
    return event


def resend(window: Window, now: float, connection: int = 1) -> list[tuple[int, int, str]]:
    """Send all that is owed; return position, attempt and reason of each."""
    found = []
    while window.has_owed:
        event = window.take_owed()
        if event is not None:
            found.append((event.place[0], event.attempt, event.reason))
            window.sent(event, event.envelope_id or str(event.place[0]), 1, connection, now)
    return found


def test_what_is_below_the_oldest_open_event_is_settled() -> None:
    window = Window(4)
    for position in (6, 7, 9):
        send(window, position)
    assert window.settled == 5
    assert window.acknowledge("7")
    assert window.settled == 5
    assert window.acknowledge("6")
    assert window.settled == 8
    assert not window.acknowledge("6"), "once"
    assert window.acknowledge("9")
    assert window.settled == 9


def test_an_event_without_an_acknowledgement_is_sent_again_after_three_seconds() -> None:
    """Vector 4 of wire/socket-mode.md#test-vectors."""
    window = Window(0)
    send(window, 1)
    window.expire(ACK_TIME - 0.01)
    assert not window.has_owed
    window.expire(ACK_TIME)
    assert resend(window, ACK_TIME) == [(1, 1, TIMEOUT)]
    assert window.acknowledge("1")
    assert window.settled == 1


def test_a_late_acknowledgement_counts() -> None:
    window = Window(0)
    send(window, 1)
    window.expire(ACK_TIME)
    assert window.acknowledge("1")
    assert window.take_owed() is None
    assert window.settled == 1


def test_an_event_that_a_well_app_never_acknowledges_runs_out_of_tries() -> None:
    window, now = Window(0), 0.0
    send(window, 1)
    for attempt in range(1, MAX_RETRIES + 1):
        send(window, attempt + 1, now + 1)
        window.acknowledge(str(attempt + 1))
        now += ACK_TIME
        window.expire(now)
        assert resend(window, now) == [(1, attempt, TIMEOUT)]
    window.expire(now + ACK_TIME)
    assert (window.given_up, len(window), window.settled) == (1, 0, MAX_RETRIES + 1)


def test_an_app_that_acknowledges_nothing_is_given_minutes() -> None:
    window, now, tries = Window(0), 0.0, 0
    send(window, 1)
    while len(window):
        now = window.next_due or 0.0
        window.expire(now)
        tries += len(resend(window, now))
        assert now <= PATIENCE + 60
    assert now >= PATIENCE
    assert tries == 9


def test_unacknowledged_events_hold_up_no_others() -> None:
    window, now = Window(0), 0.0
    position = 0
    while position < 10 * MAX_FLYING:
        if not window.has_room:
            now += ACK_TIME
            window.expire(now)
        resend(window, now)
        position += 1
        send(window, position, now)
    assert len(window) == 10 * MAX_FLYING


@pytest.mark.parametrize(("size", "count"), [(1, MAX_FLYING), (MAX_FLYING_BYTES // 4, 4), (2 * MAX_FLYING_BYTES, 1)])
def test_what_flies_is_bounded_in_number_and_bytes(size: int, count: int) -> None:
    window = Window(0)
    for position in range(1, count + 1):
        assert window.has_room
        send(window, position, size=size)
    assert not window.has_room
    window.acknowledge("1")
    assert window.has_room


def test_what_is_open_is_bounded() -> None:
    window, now = Window(0), 0.0
    for position in range(1, MAX_OPEN + 1):
        if not window.has_room:
            now += ACK_TIME / 100
            window.expire(now + ACK_TIME)
            resend(window, now)
        send(window, position, now)
    window.expire(now + ACK_TIME)
    assert not window.has_room


def test_the_events_of_a_lost_connection_are_owed_in_their_order() -> None:
    window = Window(0)
    for position in range(1, 7):
        send(window, position, connection=1 + position % 2)
    window.acknowledge("3")
    window.lose(1)
    assert resend(window, 1.0, connection=2) == [(2, 1, LOST), (4, 1, LOST), (6, 1, LOST)]
    window.lose()
    assert resend(window, 2.0) == [(1, 1, LOST), (2, 2, LOST), (4, 2, LOST), (5, 1, LOST), (6, 2, LOST)]


def test_an_event_that_ends_every_connection_is_given_up() -> None:
    window = Window(0)
    send(window, 1)
    for _ in range(MAX_ATTEMPTS):
        window.lose()
        assert len(resend(window, 0.0)) == 1
    window.lose()
    assert (len(window), window.given_up, window.settled) == (0, 1, 1)


def test_time_away_is_no_time_of_tries() -> None:
    window = Window(0)
    send(window, 1)
    window.lose()
    later = 10 * PATIENCE
    resend(window, later)
    window.expire(later + ACK_TIME)
    assert resend(window, later + ACK_TIME) == [(1, 2, TIMEOUT)]


def test_a_jump_settles_what_is_older() -> None:
    window = Window(0)
    for position in (1, 2, 5):
        send(window, position)
    window.lose()
    window.jump(3)
    assert resend(window, 0.0) == [(5, 1, LOST)]
    assert window.settled == 4
    window.jump(9)
    assert (window.settled, len(window), window.take_owed()) == (9, 0, None)
    window.jump(3)
    assert window.settled == 9


class Life(RuleBasedStateMachine):
    """Any order of sending, acknowledging, waiting and losing: ``settled`` never goes back or passes an open event."""

    def __init__(self) -> None:
        super().__init__()
        self.window = Window(0)
        self.now = 0.0
        self.position = 0
        self.open: set[int] = set()
        self.sent: set[int] = set()
        self.before = 0

    @precondition(lambda self: self.window.has_room)
    @rule(skip=st.integers(1, 3), connection=st.integers(1, 3))
    def send(self, skip: int, connection: int) -> None:
        self.position += skip
        send(self.window, self.position, self.now, connection=connection)
        self.open.add(self.position)
        self.sent.add(self.position)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        position = data.draw(st.sampled_from(sorted(self.sent)))
        assert self.window.acknowledge(str(position)) == (position in self.open)
        self.open.discard(position)

    @rule(time=st.sampled_from([0.5, 3.0, 61.0]))
    def wait(self, time: float) -> None:
        self.now += time
        given_up = self.window.given_up
        self.window.expire(self.now)
        if self.window.given_up > given_up:
            self.open = {place[0] for place in self.window._open}

    @rule(connection=st.none() | st.integers(1, 3))
    def lose(self, connection: int | None) -> None:
        given_up = self.window.given_up
        self.window.lose(connection)
        if self.window.given_up > given_up:
            self.open = {place[0] for place in self.window._open}

    @rule(connection=st.integers(1, 3))
    def resend(self, connection: int) -> None:
        resend(self.window, self.now, connection)

    @rule()
    def crash(self) -> None:
        """What was not acknowledged is owed, and nothing else."""
        self.window = Window.restored(self.window.progress)
        assert {place[0] for place in self.window._open} == self.open
        assert self.window.read == self.position
        self.sent = set()

    @invariant()
    def agrees(self) -> None:
        window = self.window
        assert window.settled == (min(self.open) - 1 if self.open else self.position)
        assert window.settled >= self.before
        self.before = window.settled
        assert len(window) == len(self.open)
        flying = [event for event in window._open.values() if event.size]
        assert window._flying == len(flying)
        assert window._flying_bytes == sum(event.size for event in flying)
        waiting = {event.place[0] for event in window._owed if window.is_open(event) and event.connection == 0}
        held = {event.place[0] for event in window._open.values() if event.connection}
        assert waiting | held == self.open, "an open event is with a connection, or owed"
        assert not waiting & held


TestLife = Life.TestCase


def test_after_a_crash_with_few_open_events_only_these_are_owed() -> None:
    window = Window(4)
    for position in (6, 7, 9):
        send(window, position)
    window.acknowledge("7")
    later = Window.restored(window.progress)
    assert (later.settled, later.read) == (5, 9)
    assert resend(later, 0.0) == [(6, 0, ""), (9, 0, "")]


def test_after_a_crash_with_many_open_events_everything_above_is_read_again() -> None:
    window = Window(4)
    for position in range(5, 5 + MAX_STORED + 2):
        send(window, position)
    window.acknowledge("7")
    later = Window.restored(window.progress)
    assert (later.settled, later.read, len(later)) == (4, 4, 0)


@given(st.lists(st.integers(1, 50), unique=True, max_size=50))
def test_events_are_settled_in_any_order(order: list[int]) -> None:
    window = Window(0)
    for position in sorted(order):
        send(window, position)
    left = set(order)
    for position in order:
        window.acknowledge(str(position))
        left.discard(position)
        assert window.settled == (min(left) - 1 if left else window.read)


def test_what_is_owed_is_not_late_besides() -> None:
    window = Window(0)
    assert window.next_due is None
    send(window, 1)
    assert window.next_due == ACK_TIME
    window.lose()
    window.expire(ACK_TIME)
    assert resend(window, ACK_TIME) == [(1, 1, LOST)]


# A door that reports


def report(window: Window, position: int, now: float = 0.0) -> None:
    event = window.open((position, 0))
    window.sent(event, str(position), 1, 1, now, is_reported=True)
    window.read = position


def test_a_reported_failure_is_tried_again_after_the_pauses_and_then_given_up() -> None:
    window, now = Window(0), 0.0
    report(window, 1)
    for attempt, pause in enumerate(PAUSES, start=1):
        window.fail("1", "http_error", now, may_retry=True)
        if pause:
            assert window.next_due == now + pause
            window.expire(now + pause - 0.01)
            assert not window.has_owed
        now += pause
        window.expire(now)
        event = window.take_owed()
        assert event is not None
        assert (event.attempt, event.reason) == (attempt, "http_error")
        window.sent(event, "1", 1, 1, now, is_reported=True)
    window.fail("1", "http_error", now, may_retry=True)
    assert (len(window), window.settled, window.given_up) == (0, 1, 1)


def test_a_reported_failure_that_may_not_be_tried_again_is_given_up() -> None:
    window = Window(0)
    report(window, 1)
    window.fail("1", "http_error", 0.0, may_retry=False)
    window.fail("1", "http_error", 0.0, may_retry=True)
    assert (len(window), window.given_up, window.next_due) == (0, 1, None)


def test_a_try_by_hand_is_one_more_and_takes_the_place_of_no_other() -> None:
    window, now = Window(0), 0.0
    report(window, 1)
    window.fail("1", "http_error", now, may_retry=True, tries=2)
    for _ in range(5):
        assert window.retry() == 1
        event = window.take_owed()
        assert event is not None
        window.sent(event, "1", 1, 1, now, is_reported=True)
        window.fail("1", "http_error", now, may_retry=True)
        assert window.next_due == now + PAUSES[1]
    assert (len(window), window.given_up) == (1, 0)


def test_a_jump_in_the_log_leaves_what_is_not_in_the_log() -> None:
    window = Window(0)
    send(window, 1)
    window.add((1, 1_000), 0)
    window.jump(5)
    assert [event.place for event in window.list_open(2)] == [(1, 1_000)]
    assert window.read == 5


def test_an_event_that_was_given_up_is_tried_in_the_order_of_the_log() -> None:
    window = Window(0)
    report(window, 1)
    window.open((1, 0)).event_id = "Ev1"
    window.sent(window.list_open(1)[0], "1", 1, 1, 0.0, is_reported=True)
    window.fail("1", "http_error", 0.0, may_retry=False)
    report(window, 2)
    assert window.settled == 1
    assert window.retry("Ev1") == 1
    assert window.settled == 0
    assert [event.place[0] for event in window.list_open(2)] == [1, 2]


def test_what_waits_to_be_tried_again_makes_room() -> None:
    window = Window(0)
    for position in range(1, MAX_FLYING + 1):
        report(window, position)
    assert not window.has_room
    for _ in range(2):  # at once, then in a minute
        for position in range(1, MAX_FLYING + 1):
            window.fail(str(position), "http_error", 0.0, may_retry=True)
        while (event := window.take_owed()) is not None:
            window.sent(event, event.envelope_id, 1, 1, 0.0, is_reported=True)
    assert window.has_room
    assert not window.has_owed


def test_an_event_whose_way_has_changed_is_not_late_by_the_clock_of_the_old_one() -> None:
    window = Window(0)
    send(window, 1)
    window.lose()
    event = window.take_owed()
    assert event is not None
    window.sent(event, "1", 1, 1, 1.0, is_reported=True)
    window.expire(ACK_TIME)
    assert not window.has_owed
    assert window.acknowledge("1")


def test_tries_and_their_pauses_are_restored() -> None:
    window = Window(0, offset=1_000_000.0)
    for position in range(1, 4):
        report(window, position, 10.0)
    window.fail("1", "http_error", 10.0, may_retry=True, tries=2)
    window.fail("2", "http_timeout", 10.0, may_retry=True, tries=3)
    later = Window.restored(window.progress, offset=1_000_040.0, now=5.0)  # 35 seconds later, on another clock
    assert resend(later, 5.0) == [(3, 0, "")]
    assert later.acknowledge("3")
    later.expire(5.0 + 60.0 - 35.0 - 0.01)
    assert not later.has_owed
    later.expire(5.0 + 60.0 - 35.0)
    assert resend(later, 30.0) == [(1, 2, "http_error")]
    assert later.acknowledge("1")
    later.expire(5.0 + 300.0 - 35.0)
    assert resend(later, 270.0) == [(2, 3, "http_timeout")]


def test_a_clock_that_was_set_back_lengthens_no_pause() -> None:
    window = Window(0, offset=1_000_000.0)
    report(window, 1)
    window.fail("1", "http_error", 0.0, may_retry=True, tries=2)
    later = Window.restored(window.progress, offset=0.0, now=0.0)
    later.expire(max(PAUSES))
    assert resend(later, max(PAUSES)) == [(1, 2, "http_error")]


def test_a_restored_event_that_has_had_its_tries_is_given_up_by_the_next_failure() -> None:
    window = Window(0)
    report(window, 1)
    window.fail("1", "http_error", 0.0, may_retry=True, tries=3)
    later = Window.restored(window.progress, now=400.0)
    event = later.take_owed()
    assert event is not None
    later.sent(event, "1", 1, 1, 400.0, is_reported=True)
    later.fail("1", "http_error", 400.0, may_retry=True)
    assert (len(later), later.given_up, later.settled) == (0, 1, 1)


def test_what_an_older_version_has_stored_is_read() -> None:
    window = Window.restored((4, msgspec.msgpack.encode((9, [(6, 0), (9, 0)]))))
    assert (window.settled, window.read) == (5, 9)
    assert resend(window, 0.0) == [(6, 0, ""), (9, 0, "")]
