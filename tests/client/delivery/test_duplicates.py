"""Copies of events are left out, other events never."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive import eventually
from fake import FakeServer, message
from tautwire.client.delivery.duplicates import LIFE, MAX_COUNT, MAX_OWN, MAX_SIZE, UNSTAMPED_LIFE, Duplicates


def event(number: int) -> bytes:
    return b'{"type":"message","channel":"C1","ts":"1700000000.%06d"}' % number


ARCHIVED = b'{"type":"channel_archive","channel":"C1","user":"U1"}'
UNARCHIVED = b'{"type":"channel_unarchive","channel":"C1","user":"U1"}'


def is_repeat(repeats: Duplicates, raw: bytes, now: float, me: str = "") -> bool:
    """Show an event as delivery does: what is remembered includes copies."""
    if repeats.is_remembering:
        repeats.remember([raw])
    return repeats.is_expecting and repeats.is_copy(raw, now, me)


def is_watching(repeats: Duplicates) -> bool:
    return repeats.is_expecting or repeats.is_remembering


def taken_over(*events: bytes, positions: bool = False) -> Duplicates:
    """Return what knows that an old connection delivered these while its successor was made."""
    repeats = Duplicates()
    repeats.hold(overlaps=True)
    for each in events:
        assert not is_repeat(repeats, each, 0.0)
    repeats.take_over(0.0, positions=positions)
    return repeats


def news(repeats: Duplicates, *events: bytes, now: float = 0.0) -> list[bytes]:
    """Return which events are no copies."""
    return [each for each in events if not is_repeat(repeats, each, now, me="U0BOT")]


def test_nothing_is_watched_while_there_is_one_connection_and_no_position() -> None:
    assert not is_watching(Duplicates())


def test_what_came_while_a_successor_was_made_is_left_out_once() -> None:
    repeats = Duplicates()
    repeats.hold(overlaps=True)
    assert not is_repeat(repeats, event(1), 0.0)
    repeats.take_over(1.0, positions=False)
    assert is_repeat(repeats, event(1), 1.0)
    assert not is_repeat(repeats, event(1), 1.0)
    assert not is_watching(repeats)


def test_positions_among_what_came_are_not_looked_for() -> None:
    repeats = Duplicates()
    repeats.hold(overlaps=True)
    repeats.remember([event(1), b'{"type":"position","position":"log.1"}'])
    repeats.take_over(1.0, positions=False)
    assert is_repeat(repeats, event(1), 1.0)
    assert not is_watching(repeats)


def test_our_own_messages_that_got_their_ack_are_copies_once() -> None:
    repeats = Duplicates()
    payload = b'{"id":5,"type":"message","channel":"C1","text":"mine"}'
    repeats.sent(payload, "1700000000.000007")
    repeats.take_over(0.0, positions=True)
    mine = b'{"type":"message","channel":"%s","user":"%s","ts":"1700000000.00000%d"%s}'
    for other in (
        mine % (b"C2", b"ME", 7, b""),
        mine % (b"C1", b"YOU", 7, b""),
        mine % (b"C1", b"ME", 8, b""),
        mine % (b"C1", b"ME", 7, b',"subtype":"message_changed"'),
    ):
        assert not is_repeat(repeats, other, 1.0, "ME")
    assert is_repeat(repeats, mine % (b"C1", b"ME", 7, b""), 1.0, "ME")
    assert not is_repeat(repeats, mine % (b"C1", b"ME", 7, b""), 1.0, "ME")


def test_only_the_last_ones_of_our_own_messages_are_remembered() -> None:
    repeats = Duplicates()
    for number in range(MAX_OWN + 1):
        repeats.sent(b'{"type":"message","channel":"C1","text":"mine"}', f"1700000000.{number:06d}")
    repeats.take_over(0.0, positions=True)
    mine = b'{"type":"message","channel":"C1","user":"ME","ts":"1700000000.%06d"}'
    assert not is_repeat(repeats, mine % 0, 1.0, "ME")
    assert is_repeat(repeats, mine % 1, 1.0, "ME")
    assert is_repeat(repeats, mine % MAX_OWN, 1.0, "ME")


def test_an_attempt_that_came_to_nothing_is_forgotten() -> None:
    repeats = Duplicates()
    repeats.hold(overlaps=True)
    is_repeat(repeats, event(1), 0.0)
    repeats.release()
    assert not is_watching(repeats)
    repeats.take_over(1.0, positions=False)
    assert not is_watching(repeats)
    assert not is_repeat(repeats, event(1), 1.0)


def test_copies_are_looked_for_for_a_while_only() -> None:
    repeats = Duplicates()
    repeats.hold(overlaps=True)
    is_repeat(repeats, event(1), 0.0)
    repeats.take_over(1.0, positions=False)
    assert not is_repeat(repeats, event(1), 1.1 + LIFE)
    assert not is_watching(repeats)


def test_events_without_a_timestamp_are_copies_as_often_as_they_came() -> None:
    repeats = taken_over(ARCHIVED, UNARCHIVED, ARCHIVED)
    assert news(repeats, ARCHIVED, UNARCHIVED, ARCHIVED, ARCHIVED) == [ARCHIVED]


@pytest.mark.parametrize("first", [UNARCHIVED, event(1)])
def test_behind_something_new_there_are_no_copies_without_a_timestamp(first: bytes) -> None:
    """Events come in the same order on every connection, so what the old one delivered is past."""
    repeats = taken_over(ARCHIVED, event(7))
    assert news(repeats, first, ARCHIVED, event(7)) == [first, ARCHIVED]


def test_before_a_copy_there_are_no_others_to_come_without_a_timestamp() -> None:
    repeats = taken_over(ARCHIVED, event(1), UNARCHIVED)
    assert news(repeats, event(1), ARCHIVED) == [ARCHIVED]
    repeats = taken_over(ARCHIVED, UNARCHIVED, positions=True)
    repeats.positioned()
    assert news(repeats, UNARCHIVED, ARCHIVED) == [ARCHIVED]


@pytest.mark.parametrize(
    "passing",
    [
        b'{"type":"reconnect_url","url":"wss://x.test/1"}',
        b'{"type":"user_typing","channel":"C1","user":"U1"}',
        b'{"type":"message","channel":"C1","user":"U0BOT","ts":"1700000000.000001"}',
    ],
    ids=["made for one connection", "never sent again", "acknowledged on the other connection"],
)
def test_what_only_one_connection_gets_proves_nothing(passing: bytes) -> None:
    repeats = taken_over(ARCHIVED)
    assert news(repeats, passing, ARCHIVED) == [passing]


def test_without_a_timestamp_copies_are_soon_not_looked_for() -> None:
    repeats = taken_over(ARCHIVED, event(1))
    assert news(repeats, ARCHIVED, event(1), now=UNSTAMPED_LIFE + 0.1) == [ARCHIVED]


def test_of_more_events_than_are_remembered_the_last_ones_of_a_read_are_kept() -> None:
    repeats = Duplicates()
    repeats.take_over(0.0, positions=True)
    repeats.remember([event(number) for number in range(MAX_COUNT + 5)])
    repeats.take_over(1.0, positions=True)
    assert not repeats.is_copy(event(4), 1.0)
    assert repeats.is_copy(event(5), 1.0)
    assert repeats.is_copy(event(MAX_COUNT + 4), 1.0)


def test_a_copy_that_stands_behind_the_last_position_may_come_once_more() -> None:
    repeats = taken_over(event(1), event(2), positions=True)
    assert news(repeats, event(1)) == []
    repeats.take_over(1.0, positions=True)  # that connection is lost before it named a position
    assert news(repeats, event(1), event(2), event(3), now=1.0) == [event(3)]


@pytest.mark.parametrize("size", [10, 2 * MAX_SIZE // MAX_COUNT], ids=["many", "long"])
def test_what_is_remembered_is_bounded_and_the_oldest_is_forgotten(size: int) -> None:
    """A server that names no position for so long may be asked to go on from far back."""

    def long_event(number: int) -> bytes:
        return event(number)[:-1] + b',"text":"%s"}' % (b"x" * size)

    repeats = Duplicates()
    repeats.take_over(0.0, positions=True)
    for number in range(MAX_COUNT + 100):
        assert not is_repeat(repeats, long_event(number), 0.0)
    remembered = [raw for frames in repeats._delivered for raw in frames]
    assert len(remembered) <= MAX_COUNT
    but_the_last = sum(map(len, remembered[:-1]))
    assert MAX_SIZE // 2 < but_the_last <= MAX_SIZE or len(remembered) == MAX_COUNT
    repeats.hold(overlaps=False)
    repeats.take_over(0.0, positions=True)
    assert not is_repeat(repeats, long_event(0), 0.0)  # rather twice than not at all
    assert is_repeat(repeats, long_event(MAX_COUNT + 99), 0.0)


def test_what_a_position_covers_leaves_room_for_what_follows() -> None:
    def long_event(number: int) -> bytes:
        return event(number)[:-1] + b',"text":"%s"}' % (b"x" * (MAX_SIZE * 2 // 3))

    repeats = Duplicates()
    repeats.take_over(0.0, positions=True)
    repeats.remember([long_event(1)])
    repeats.positioned()
    repeats.remember([long_event(2)])
    repeats.remember([event(3)])
    repeats.take_over(1.0, positions=True)
    assert repeats.is_copy(long_event(2), 1.0)
    assert repeats.is_copy(event(3), 1.0)


def test_copies_are_recognised_by_what_identifies_them() -> None:
    repeats = Duplicates()
    repeats.hold(overlaps=True)
    is_repeat(repeats, b'{"type":"reaction_added","event_ts":"1700000000.000001","user":"U1"}', 0.0)
    is_repeat(repeats, b'{"type":"emoji_changed","name":"x"}', 0.0)
    repeats.take_over(0.0, positions=False)
    assert is_repeat(repeats, b'{"event_ts":"1700000000.000001","type":"reaction_added"}', 0.0)
    assert is_repeat(repeats, b'{"type":"emoji_changed","name":"x"}', 0.0)
    assert not is_repeat(repeats, b'{"type":"emoji_changed","name":"y"}', 0.0)


@pytest.mark.parametrize(
    "passing",
    [
        b'{"type":"user_typing","channel":"C1","user":"U1"}',
        b'{"type":"team_migration_started"}',
        b'{"type":"goodbye"}',
    ],
)
def test_events_that_are_never_sent_again_may_look_alike(passing: bytes) -> None:
    repeats = Duplicates()
    repeats.hold(overlaps=True)
    is_repeat(repeats, passing, 0.0)
    is_repeat(repeats, b"\xff no json", 0.0)
    repeats.take_over(0.0, positions=False)
    assert not is_repeat(repeats, passing, 0.0)
    assert not is_repeat(repeats, b"\xff no json", 0.0)


@given(st.data())
def test_a_log_is_delivered_exactly_once_whatever_happens_to_connections(data: st.DataObject) -> None:
    """A model of a server with positions: connections deliver its log from where they were asked to, and may end.

    Some of its events have no timestamp.
    """

    def logged(number: int) -> bytes:
        return event(number) if number % 3 else b'{"type":"emoji_changed","name":"%d"}' % number

    repeats, position, delivered, log_end = Duplicates(), 0, [], 0
    repeats.take_over(0.0, positions=True)
    old_next = 0  # what the connection in use sends next, an index into the log
    for step in data.draw(
        st.lists(st.sampled_from(["log", "event", "event", "position", "replace", "die"]), max_size=60)
    ):
        if step == "log":
            log_end += data.draw(st.integers(1, 3))
        elif step == "event" and old_next < log_end:
            if not is_repeat(repeats, logged(old_next), 1.0):
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
                        if not is_repeat(repeats, logged(old_next), 1.0):
                            delivered.append(old_next)
                        old_next += 1
                    if data.draw(st.booleans()):
                        position = max(position, old_next)
                        repeats.positioned()
            repeats.take_over(1.0, positions=True)
            old_next = asked
    while old_next < log_end:
        if not is_repeat(repeats, logged(old_next), 1.0):
            delivered.append(old_next)
        old_next += 1
    assert delivered == list(range(log_end))


def test_what_happens_again_after_a_handover_is_delivered_again(fake: FakeServer, client: Any) -> None:
    """The channel is archived before the successor is there; on that it is opened and archived once more."""
    archived = {"type": "channel_archive", "channel": "C1", "user": "U1"}
    got: list[str] = []
    client.register(lambda event: got.append(event.TYPE), "*", inline=True)
    client.connect()
    old = fake.peer()
    fake.meanwhile = [(old, archived)]
    old.send({"type": "goodbye"})
    new = fake.peer()
    eventually(lambda: got.count("hello") == 2)
    assert got == ["hello", "goodbye", "channel_archive", "hello"]
    got.clear()
    new.send({"type": "channel_unarchive", "channel": "C1", "user": "U1"}, archived, message(1))
    eventually(lambda: "message" in got)
    assert got == ["channel_unarchive", "channel_archive", "message"]
