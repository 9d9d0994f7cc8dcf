"""A channel's live events and what its history says come out in one order, each message once."""

import copy
import pickle
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tautwire import Event, MessageChangedEvent, MessageEvent, UnknownEvent
from tautwire.client.backfill.channel import OVERLAP, RECENT, ChannelFill, place_of
from tautwire.client.backfill.marked import mark
from tautwire.protocol.codec import decode_event, encode
from tautwire.protocol.ids import ChannelId, ts_from_micros, ts_to_micros

START = 1_700_000_000_000_000
SECOND = 1_000_000


def decoded(**members: Any) -> Event:
    event = decode_event(encode(members))
    assert isinstance(event, Event)
    return event


def message(number: int, text: str = "live") -> Event:
    return decoded(type="message", channel="C1", user="U1", text=text, ts=ts_from_micros(START + number))


def reaction(number: int, at: int | None) -> Event:
    item = {"type": "message", "channel": "C1", "ts": ts_from_micros(START + number)}
    stamp = {} if at is None else {"event_ts": ts_from_micros(START + at)}
    return decoded(type="reaction_added", user="U1", reaction="owl", item=item, **stamp)


def typing() -> Event:
    return decoded(type="user_typing", channel="C1", user="U1")


def number_of(event: Event) -> int:
    moment = place_of(event).moment
    assert moment is not None
    return moment - START


def channel(limit: int = 1_000, held: int = 1_000) -> ChannelFill:
    return ChannelFill(ChannelId("C1"), limit, held)


def take(of: ChannelFill, event: Event) -> bool:
    return of.take(event, place_of(event))


def find(of: ChannelFill, *numbers: int) -> int:
    return sum(of.find(START + each, message(each, "found")) for each in numbers)


def hold(of: ChannelFill) -> None:
    of.hold(START, 0)


def said(events: list[Event]) -> list[tuple[int, bool]]:
    return [(number_of(each), each.is_backfilled) for each in events]


def test_a_channel_that_is_not_filled_lets_everything_through() -> None:
    c = channel()
    assert all(take(c, each) for each in (message(1), reaction(1, 2), typing(), message(1)))


def test_found_messages_come_before_younger_live_events() -> None:
    c = channel()
    hold(c)
    assert not take(c, message(5))
    assert not take(c, reaction(3, 6))
    find(c, 4, 3, 7)

    events, count = c.release(is_complete=True)

    assert said(events) == [(3, True), (4, True), (5, False), (6, False), (7, True)]
    assert count == 3
    assert not c.is_filling


def test_what_comes_both_ways_comes_once_and_as_the_live_event() -> None:
    c = channel()
    hold(c)
    take(c, message(5))
    find(c, 5, 4)
    events, count = c.release(is_complete=True)
    assert said(events) == [(4, True), (5, False)]
    assert count == 1


def test_what_was_found_is_not_taken_when_it_comes_live_later() -> None:
    c = channel()
    hold(c)
    find(c, 5)
    c.release(is_complete=True)
    assert not take(c, message(5))
    assert take(c, message(6))


def test_what_was_delivered_before_the_gap_is_not_found_again() -> None:
    c = channel()
    take(c, message(1))
    c.know(START + 2)  # a message of ours
    hold(c)
    assert find(c, 1, 2) == 0
    assert c.release(is_complete=True) == ([], 0)


def test_the_newest_win() -> None:
    c = channel(limit=2)
    hold(c)
    find(c, 4, 3, 2, 1)
    events, count = c.release(is_complete=True)
    assert said(events) == [(3, True), (4, True)]
    assert count == 2


def test_an_event_without_a_time_stays_before_the_next_event() -> None:
    c = channel()
    hold(c)
    for each in (typing(), message(5), typing()):
        take(c, each)
    find(c, 4, 6)
    events, _ = c.release(is_complete=True)
    kinds = [each.TYPE if each.TYPE != "message" else number_of(each) for each in events]
    assert kinds == [4, "user_typing", 5, 6, "user_typing"]


def test_a_filling_that_begins_again_begins_where_it_began() -> None:
    c = channel()
    take(c, message(10 * SECOND))
    hold(c)
    oldest = c.oldest
    take(c, message(20 * SECOND))
    hold(c)
    assert c.oldest == oldest == ts_from_micros(START + 10 * SECOND - OVERLAP)
    events, _ = c.release(is_complete=True)
    assert said(events) == [(20 * SECOND, False)]


def test_a_filling_begins_with_the_gap_if_nothing_of_the_channel_is_known() -> None:
    c = channel()
    c.hold(START, 0)
    assert ts_to_micros(c.oldest) == START - OVERLAP


def test_nothing_from_before_the_first_connection_is_asked_for() -> None:
    quiet, known, skewed = channel(), channel(), channel()
    quiet.hold(START, START - 5)
    take(known, message(7))
    known.hold(START, START - 5)
    take(skewed, message(7))
    skewed.hold(START, START + 10 * SECOND)  # a clock that is wrong: what was delivered is closer to the truth
    assert ts_to_micros(quiet.oldest) == START - 5
    assert ts_to_micros(known.oldest) == START - 5
    assert ts_to_micros(skewed.oldest) == START + 7


def test_no_more_is_asked_for_than_is_remembered() -> None:
    c = channel()
    for number in range(RECENT + 10):
        take(c, message(number))
    hold(c)
    assert ts_to_micros(c.oldest) == START + 9
    assert find(c, *range(10, RECENT + 10)) == 0


def test_it_is_told_when_too_much_is_held() -> None:
    c = channel(held=1)
    hold(c)
    take(c, message(1))
    assert not c.is_overfull
    take(c, message(2))
    assert c.is_overfull


def test_what_an_incomplete_filling_left_out_stays_out() -> None:
    c = channel()
    hold(c)
    take(c, message(5))
    c.release(is_complete=False)
    hold(c)
    assert ts_to_micros(c.oldest) == START + 5


def test_an_edit_is_no_message_of_the_history() -> None:
    stamp = ts_from_micros(START + 5)
    inner = {"type": "message", "user": "U1", "text": "new", "ts": stamp}
    edit = decoded(type="message", subtype="message_changed", channel="C1", ts=stamp, hidden=True, message=inner)
    assert isinstance(edit, MessageChangedEvent)
    c = channel()
    hold(c)
    find(c, 5)
    c.release(is_complete=True)
    assert take(c, edit)


def test_a_message_of_an_unknown_subtype_stands_in_its_channel() -> None:
    event = decoded(type="message", subtype="from_tomorrow", channel="C1", ts=ts_from_micros(START))
    assert isinstance(event, UnknownEvent)
    assert place_of(event) == ("C1", START, True)
    assert place_of(decoded(type="from_tomorrow", channel="C1")) == ("", None, False)
    assert mark(event).is_backfilled


def test_the_mark_changes_nothing_else() -> None:
    event = message(1)
    marked = mark(event)
    assert not event.is_backfilled
    assert marked.is_backfilled
    assert isinstance(marked, MessageEvent)
    assert encode(marked) == encode(event)
    assert repr(marked) == repr(event)
    assert (marked.TYPE, marked.SUBTYPE) == ("message", None)
    for again in (copy.copy(marked), copy.deepcopy(marked), pickle.loads(pickle.dumps(marked))):  # noqa: S301
        assert again == marked
        assert again.is_backfilled


@dataclass
class Run:
    """A channel's life as it may be: what the server stored, what came live and what a history call shows."""

    stored: list[int]
    before: int
    live: list[int]
    shown: list[int]


@st.composite
def runs(draw: st.DrawFn) -> Run:
    count = draw(st.integers(0, 30))
    before = draw(st.integers(0, count))
    back = draw(st.integers(before, count))  # from here on everything comes live
    until = draw(st.integers(back, count))  # and so far the history reaches
    return Run(list(range(count)), before, list(range(back, count)), list(range(until)))


@given(runs(), st.integers(0, 30), st.randoms(use_true_random=False))
def test_every_message_comes_once_and_in_order_whenever_the_history_is_read(run: Run, at: int, random: Any) -> None:
    c = channel()
    heard = [message(each) for each in run.stored[: run.before] if take(c, message(each))]
    hold(c)
    held, late = run.live[:at], run.live[at:]
    for each in held:
        assert not take(c, message(each))
    shown = run.shown[:]
    random.shuffle(shown)
    find(c, *shown)

    events, count = c.release(is_complete=True)
    heard += events
    heard += [message(each) for each in late if take(c, message(each))]

    missed = [each for each in run.shown if each >= run.before and each not in held]
    assert [number_of(each) for each in heard] == run.stored[: run.before] + sorted({*missed, *run.live})
    assert [number_of(each) for each in heard if each.is_backfilled] == missed
    assert count == len(missed)


@given(st.lists(st.integers(0, 50), unique=True), st.sets(st.integers(0, 50)))
def test_live_events_keep_the_order_they_came_in_whatever_their_ts(live: list[int], found: set[int]) -> None:
    c = channel()
    hold(c)
    for each in live:
        take(c, message(each))
    find(c, *found)
    events, _ = c.release(is_complete=True)
    numbers = [number_of(each) for each in events]
    assert [each for each in numbers if each in live] == live
    assert [number_of(each) for each in events if each.is_backfilled] == sorted(found - set(live))
    for position, event in enumerate(events):
        if not event.is_backfilled:
            younger = [each for each in events[position:] if each.is_backfilled and number_of(each) < number_of(event)]
            assert not younger


def test_a_message_of_an_unknown_subtype_that_cannot_be_read_stands_nowhere() -> None:
    """It was read leniently, and its raw text is still what came in."""
    unknown = decode_event(rb'{"type":"message","subtype":"news","channel":"C1","ts":"\ud83d"}')
    assert isinstance(unknown, UnknownEvent)
    assert place_of(unknown) == ("", None, False)
    readable = decode_event(b'{"type":"message","subtype":"news","channel":"C1","ts":"1700000000.000001"}')
    assert isinstance(readable, UnknownEvent)
    assert place_of(readable) == ("C1", 1_700_000_000_000_001, True)
    odd = decode_event(b'{"type":"message","subtype":"news","channel":5,"ts":5}')
    assert isinstance(odd, UnknownEvent)
    assert place_of(odd) == ("", None, False)
