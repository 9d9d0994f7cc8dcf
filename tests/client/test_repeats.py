"""Copies of events are left out, other events never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.client.repeats import LIFE, Repeats


def event(number: int) -> bytes:
    return b'{"type":"message","channel":"C1","ts":"1700000000.%06d"}' % number


def test_nothing_is_watched_while_there_is_one_connection_and_no_position() -> None:
    assert not Repeats().is_watching


def test_what_came_while_a_successor_was_made_is_left_out_once() -> None:
    repeats = Repeats()
    repeats.hold(overlaps=True)
    assert not repeats.is_repeat(event(1), 0.0)
    repeats.take_over(1.0, positions=False)
    assert repeats.is_repeat(event(1), 1.0)
    assert not repeats.is_repeat(event(1), 1.0)
    assert not repeats.is_watching


def test_an_attempt_that_came_to_nothing_is_forgotten() -> None:
    repeats = Repeats()
    repeats.hold(overlaps=True)
    repeats.is_repeat(event(1), 0.0)
    repeats.release()
    assert not repeats.is_watching
    repeats.take_over(1.0, positions=False)
    assert not repeats.is_repeat(event(1), 1.0)


def test_copies_are_looked_for_for_a_while_only() -> None:
    repeats = Repeats()
    repeats.hold(overlaps=True)
    repeats.is_repeat(event(1), 0.0)
    repeats.take_over(1.0, positions=False)
    assert not repeats.is_repeat(event(1), 1.1 + LIFE)


def test_copies_are_recognised_by_what_identifies_them() -> None:
    repeats = Repeats()
    repeats.hold(overlaps=True)
    repeats.is_repeat(b'{"type":"reaction_added","event_ts":"1700000000.000001","user":"U1"}', 0.0)
    repeats.is_repeat(b'{"type":"emoji_changed","name":"x"}', 0.0)
    repeats.take_over(0.0, positions=False)
    assert repeats.is_repeat(b'{"event_ts":"1700000000.000001","type":"reaction_added"}', 0.0)
    assert repeats.is_repeat(b'{"type":"emoji_changed","name":"x"}', 0.0)
    assert not repeats.is_repeat(b'{"type":"emoji_changed","name":"y"}', 0.0)


@pytest.mark.parametrize(
    "passing",
    [
        b'{"type":"user_typing","channel":"C1","user":"U1"}',
        b'{"type":"team_migration_started"}',
        b'{"type":"goodbye"}',
    ],
)
def test_events_that_are_never_sent_again_may_look_alike(passing: bytes) -> None:
    repeats = Repeats()
    repeats.hold(overlaps=True)
    repeats.is_repeat(passing, 0.0)
    repeats.is_repeat(b"\xff no json", 0.0)
    repeats.take_over(0.0, positions=False)
    assert not repeats.is_repeat(passing, 0.0)
    assert not repeats.is_repeat(b"\xff no json", 0.0)


@given(st.data())
def test_a_log_is_delivered_exactly_once_whatever_happens_to_connections(data: st.DataObject) -> None:
    """A model of a server with positions: connections deliver its log from where they were asked to, and may end."""
    repeats, position, delivered, log_end = Repeats(), 0, [], 0
    repeats.take_over(0.0, positions=True)
    old_next = 0  # what the connection in use sends next, an index into the log
    for step in data.draw(
        st.lists(st.sampled_from(["log", "event", "event", "position", "replace", "die"]), max_size=60)
    ):
        if step == "log":
            log_end += data.draw(st.integers(1, 3))
        elif step == "event" and old_next < log_end:
            if not repeats.is_repeat(event(old_next), 1.0):
                delivered.append(old_next)
            old_next += 1
        elif step == "position":
            position = max(position, old_next)
            repeats.positioned()
        elif step in ("replace", "die"):
            asked = position
            repeats.hold(overlaps=step == "replace")
            if step == "replace":
                for _ in range(data.draw(st.integers(0, 4))):  # the old connection goes on meanwhile
                    if old_next < log_end:
                        if not repeats.is_repeat(event(old_next), 1.0):
                            delivered.append(old_next)
                        old_next += 1
                    if data.draw(st.booleans()):
                        position = max(position, old_next)
                        repeats.positioned()
            repeats.take_over(1.0, positions=True)
            old_next = asked
    while old_next < log_end:
        if not repeats.is_repeat(event(old_next), 1.0):
            delivered.append(old_next)
        old_next += 1
    assert delivered == list(range(log_end))
