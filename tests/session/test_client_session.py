"""The client session without sockets: what it delivers, what it asks for, and what time does to it."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.protocol.codec import decode_event
from tautwire.protocol.errors import LocalProtocolError
from tautwire.protocol.events import ErrorEvent, Event, HelloEvent, MalformedEvent, MessageEvent, UnknownEvent
from tautwire.protocol.frames import Ack, AckError, Message, PingMessage, Pong, PresenceSub, Typing
from tautwire.session.client import (
    MAX_EARLY_SIZE,
    MAX_OWN_ID,
    MAX_POSITION,
    MAX_RETRY_AFTER,
    TRANSITIONS,
    Cause,
    ClientSession,
    Deliver,
    Ended,
    Expired,
    Leaving,
    Opened,
    Pinged,
    Positioned,
    Settled,
    State,
    Step,
    Stray,
    Timeouts,
    Transmit,
)
from tautwire.session.members import FrameError
from tautwire.session.outgoing import MAX_FRAME_ID, MAX_FRAME_SIZE, prepare

HELLO = b'{"type":"hello"}'
TEXT = b'{"type":"message","channel":"C1","user":"U1","text":"hi","ts":"1700000000.000001"}'


def ready(now: float = 0.0, **options: object) -> ClientSession:
    session = ClientSession(now, **options)  # type: ignore[arg-type]
    session.receive([HELLO], now)
    session.effects.clear()
    return session


def hear(session: ClientSession, frame: bytes, now: float) -> list[Event]:
    """Return the events that a frame brings; other effects stay."""
    session.receive([frame], now)
    deliveries = [each for each in session.effects if isinstance(each, Deliver)]
    session.effects = [each for each in session.effects if each not in deliveries]
    return [event for each in deliveries for event, _ in each.arrivals]


def heard(session: ClientSession, frame: bytes, now: float) -> list[type]:
    return [type(event) for event in hear(session, frame, now)]


def taken(session: ClientSession) -> list[object]:
    effects, session.effects = session.effects, []
    return list(effects)


# -- states -------------------------------------------------------------------------------------------------------


def test_every_step_is_defined_in_every_state() -> None:
    assert set(itertools.product(State, Step)) == set(TRANSITIONS)


def test_nothing_leaves_closed_and_every_state_can_end() -> None:
    assert {TRANSITIONS[State.CLOSED, step] for step in Step} == {State.CLOSED}
    assert {TRANSITIONS[state, Step.END] for state in State} == {State.CLOSED}


def test_hello_opens_the_session_and_is_delivered() -> None:
    session = ClientSession(0.0)
    assert heard(session, HELLO, 1.0) == [HelloEvent]
    assert taken(session) == [Opened()]
    assert session.state is State.READY


def test_too_much_before_hello_ends_the_session() -> None:
    session = ClientSession(0.0)
    for _ in range(MAX_EARLY_SIZE // len(TEXT) + 1):
        assert heard(session, TEXT, 0.1) == []
    (ended,) = taken(session)
    assert isinstance(ended, Ended)
    assert ended.cause is Cause.BROKEN
    assert heard(session, HELLO, 0.2) == []


def test_what_comes_before_hello_is_delivered_after_it() -> None:
    session = ClientSession(0.0)
    assert heard(session, TEXT, 0.1) == []
    assert heard(session, HELLO, 0.2) == [HelloEvent, MessageEvent]


FRAMES = [
    HELLO,
    TEXT,
    b'{"type":"goodbye"}',
    b'{"type":"error","error":{"code":1,"msg":"no"}}',
    b'{"ok":true,"reply_to":1,"ts":"1"}',
    b'{"type":"position","position":17}',
    b'{"type":"position","position":18}',
    b"no frame",
]


def settled_positions(effects: list[object]) -> list[object]:
    """Leave out each position that another one follows with nothing but events in between: only the last one counts."""
    left: list[object] = []
    for effect in reversed(effects):
        later = next((each for each in reversed(left) if type(each) is not tuple), None)  # a plain tuple is an event
        if not (isinstance(effect, Positioned) and isinstance(later, Positioned)):
            left.append(effect)
    return left[::-1]


@given(st.booleans(), st.lists(st.lists(st.sampled_from(FRAMES))))
def test_what_comes_together_is_taken_like_one_after_the_other(is_open: bool, reads: list[list[bytes]]) -> None:
    def effects(reads: list[list[bytes]]) -> tuple[object, str]:
        session = ready() if is_open else ClientSession(0.0)
        if is_open:
            session.send(prepare(Message("C1", "hi")), 0.0)  # type: ignore[arg-type]
        for frames in reads:
            session.receive(frames, 1.0)
        found: list[object] = []
        for each in taken(session):
            found += each.arrivals if isinstance(each, Deliver) else [each]
        return session.state, repr(settled_positions(found))

    assert effects(reads) == effects([[frame] for frames in reads for frame in frames])


def test_a_second_hello_is_one_event_among_others() -> None:
    session = ready()
    assert heard(session, HELLO, 1.0) == [HelloEvent]
    assert taken(session) == []


def test_an_error_instead_of_hello_ends_the_session_with_the_wish_of_the_server() -> None:
    session = ClientSession(0.0)
    frame = b'{"type":"error","error":{"code":17,"msg":"Ratelimited","retry_after":9}}'
    assert heard(session, frame, 0.1) == []
    assert taken(session) == [Ended("Ratelimited", Cause.ERROR, 17, 9.0)]
    assert session.state is State.CLOSED


@pytest.mark.parametrize(("wish", "taken_for"), [(-5, 0.0), (10**400, float(MAX_RETRY_AFTER))])
def test_a_wish_of_the_server_that_makes_no_sense_breaks_nothing(wish: int, taken_for: float) -> None:
    session = ClientSession(0.0)
    hear(session, b'{"type":"error","error":{"code":17,"msg":"x","retry_after":%d}}' % wish, 0.1)
    assert taken(session) == [Ended("x", Cause.ERROR, 17, taken_for)]


def test_an_error_event_later_is_delivered_and_ends_nothing() -> None:
    session = ready()
    assert heard(session, b'{"type":"error","error":{"code":17,"msg":"x"}}', 1.0) == [ErrorEvent]
    assert session.state is State.READY


@pytest.mark.parametrize("kind", ["goodbye", "team_migration_started"])
def test_goodbye_asks_for_a_successor_once_and_goes_on_delivering(kind: str) -> None:
    session = ready()
    goodbye = b'{"type":"%s"}' % kind.encode()
    hear(session, goodbye, 1.0)
    hear(session, goodbye, 1.1)
    assert taken(session) == [Leaving(kind)]
    assert heard(session, TEXT, 1.2) == [MessageEvent]
    assert session.send(prepare(Typing("C1")), 1.3).payload  # type: ignore[arg-type]


def test_goodbye_before_hello_ends_the_session() -> None:
    session = ClientSession(0.0)
    assert heard(session, b'{"type":"goodbye"}', 0.1) == []
    assert taken(session) == [Ended("goodbye", Cause.GOODBYE)]


@pytest.mark.parametrize("end", [Cause.CLOSED, Cause.DROPPED, Cause.SILENCE, Cause.REPLACED])
def test_whatever_ends_it_after_a_goodbye_the_goodbye_is_the_cause(end: Cause) -> None:
    session = ready()
    hear(session, b'{"type":"goodbye"}', 1.0)
    taken(session)
    session.end("gone", end)
    assert taken(session) == [Ended("gone", Cause.GOODBYE)]


def test_a_user_who_stops_is_the_cause_also_after_a_goodbye() -> None:
    session = ready()
    hear(session, b'{"type":"goodbye"}', 1.0)
    taken(session)
    session.end("closed by us", Cause.STOPPED)
    assert taken(session) == [Ended("closed by us", Cause.STOPPED)]


def test_nothing_is_delivered_or_sent_after_the_end() -> None:
    session = ready()
    session.end("gone", Cause.DROPPED)
    session.end("again", Cause.CLOSED)
    assert taken(session) == [Ended("gone", Cause.DROPPED)]
    assert heard(session, TEXT, 1.0) == []
    assert heard(session, HELLO, 1.0) == []
    assert session.deadline is None
    with pytest.raises(LocalProtocolError):
        session.send(prepare(PingMessage()), 1.0)


def test_garbage_is_delivered_as_such() -> None:
    session = ready()
    assert heard(session, b"\xff\xfe", 1.0) == [MalformedEvent]
    assert heard(session, b"[1]", 1.0) == [MalformedEvent]
    assert heard(session, b'{"type":"new_thing"}', 1.0) == [UnknownEvent]


NO_HELLO = st.binary(max_size=60).filter(lambda each: b"hello" not in each)  # constants of the code are drawn, too
NOISE = st.lists(st.one_of(NO_HELLO, st.sampled_from([TEXT, b'{"type":"goodbye"}', b'{"ok":true,"reply_to":1}'])))


@given(NOISE, NOISE)
def test_no_input_raises_and_nothing_comes_before_hello(before: list[bytes], after: list[bytes]) -> None:
    session = ClientSession(0.0)
    delivered = [each for at, frame in enumerate(before) for each in hear(session, frame, float(at))]
    assert delivered == []
    is_over = b'{"type":"goodbye"}' in before
    assert session.state is (State.CLOSED if is_over else State.OPENING)
    early = [each for each in map(decode_event, before) if isinstance(each, Event)]
    delivered = hear(session, HELLO, 100.0)
    assert delivered == ([] if is_over else [HelloEvent(), *early])
    for at, frame in enumerate(after):
        delivered += hear(session, frame, 101.0 + at)
    assert is_over <= (delivered == [])


# -- frames and replies -------------------------------------------------------------------------------------------


def test_ids_are_given_from_the_first_on_and_kept_if_the_caller_has_one() -> None:
    session = ready(first_id=5)
    assert session.send(prepare(Message("C1", "a")), 0.0).id == 5  # type: ignore[arg-type]
    assert session.send(prepare(Message("C1", "a", id=40)), 0.0).id == 40  # type: ignore[arg-type]
    assert session.send(prepare(Typing("C1")), 0.0).id == 41  # type: ignore[arg-type]
    assert session.next_id == 42


@pytest.mark.parametrize("number", [MAX_OWN_ID, MAX_OWN_ID + 1, MAX_FRAME_ID])
def test_a_callers_largest_id_leaves_small_ones_for_the_session(number: int) -> None:
    session = ready(first_id=5)
    assert session.send(prepare({"type": "ping", "id": number}), 0.0).id == number
    own = [session.ping(0.0) for _ in range(3)]
    assert all(0 < each <= MAX_OWN_ID for each in own)
    assert len(set(own)) == 3


def test_ids_begin_again_and_leave_out_those_that_wait() -> None:
    session = ready(first_id=MAX_OWN_ID - 1)
    for number in (1, 2):
        session.send(prepare({"type": "ping", "id": number}), 0.0)
    assert [session.ping(0.0) for _ in range(4)] == [MAX_OWN_ID - 1, MAX_OWN_ID, 3, 4]


def test_an_error_event_without_a_text_ends_the_session_with_a_reason_all_the_same() -> None:
    session = ClientSession(0.0)
    session.receive([b'{"type":"error","error":{"code":17,"msg":""}}'], 0.0)
    assert [each.reason for each in session.effects if isinstance(each, Ended)] == ["error event"]


def test_a_frame_is_sent_with_its_id_and_no_absent_members() -> None:
    session = ready()
    sent = session.send(prepare(Message("C1", "hi")), 0.0)  # type: ignore[arg-type]
    assert msgspec.json.decode(sent.payload) == {"type": "message", "id": 1, "channel": "C1", "text": "hi"}
    assert sent.awaits_reply


def test_members_of_a_mapping_are_sent_as_they_are() -> None:
    session = ready()
    sent = session.send(prepare({"type": "ping", "time": 12, "id": 41}), 0.0)
    assert msgspec.json.decode(sent.payload) == {"type": "ping", "time": 12, "id": 41}
    assert (sent.id, sent.awaits_reply) == (41, True)


def test_only_messages_and_pings_wait_for_a_reply() -> None:
    session = ready()
    frames = [Typing("C1"), PresenceSub([]), Message("C1", "x"), PingMessage(), {"type": "tickle"}]  # type: ignore[arg-type]
    assert [session.send(prepare(each), 0.0).awaits_reply for each in frames] == [False, False, True, True, False]
    assert [each.id for each in session.unanswered] == [3, 4]
    assert session.is_owed


def test_a_reply_settles_its_frame_once_in_any_order() -> None:
    session = ready()
    one, two = (session.send(prepare(Message("C1", text)), 1.0) for text in "ab")  # type: ignore[arg-type]
    second, first = b'{"ok":true,"reply_to":2,"ts":"2"}', b'{"ok":false,"reply_to":1,"error":{"code":2,"msg":"m"}}'
    for frame in (second, first, second):
        assert heard(session, frame, 1.5) == []
    assert taken(session) == [Settled(two, Ack(2, "2", None), 0.5), Settled(one, AckError(1, 2, "m"), 0.5)]  # type: ignore[arg-type]


def test_a_refusal_nobody_waits_for_is_told() -> None:
    session = ready()
    hear(session, b'{"ok":false,"reply_to":9,"error":{"code":-1,"msg":"slow"}}', 1.0)
    assert taken(session) == [Stray(AckError(9, -1, "slow"))]


def test_a_replayed_message_is_an_event_and_settles_nothing() -> None:
    session = ready()
    session.send(prepare(Message("C1", "hi")), 0.0)  # type: ignore[arg-type]
    replay = b'{"reply_to":1,"type":"message","channel":"C1","user":"U1","text":"hi","ts":"1700000000.000001"}'
    assert heard(session, replay, 1.0) == [MessageEvent]
    assert taken(session) == []
    assert [each.id for each in session.unanswered] == [1]


def test_a_pong_settles_its_ping_with_the_members_it_echoes() -> None:
    session = ready()
    session.send(prepare(PingMessage(time=7)), 1.0)
    hear(session, b'{"type":"pong","reply_to":1,"time":7}', 1.25)
    pinged, settled = taken(session)
    assert pinged == Pinged(1, 0.25)
    assert isinstance(settled, Settled)
    assert isinstance(settled.reply, Pong)
    assert (settled.round_trip, session.round_trip) == (0.25, 0.25)


@pytest.mark.parametrize(("written", "position"), [(b'"log.17"', "log.17"), (b"17", "17")], ids=["text", "number"])
def test_a_position_is_an_effect_and_no_event(written: bytes, position: str) -> None:
    session = ready()
    assert heard(session, b'{"type":"position","position":%s}' % written, 1.0) == []
    assert taken(session) == [Positioned(position)]


def test_a_position_that_is_too_long_to_be_told_again_is_left_out() -> None:
    """The next rtm.connect would be refused for its length, and each one after it."""
    session = ready()
    for size in (MAX_POSITION, MAX_POSITION + 1):
        assert heard(session, b'{"type":"position","position":"%s"}' % (b"9" * size), 1.0) == []
    assert taken(session) == [Positioned("9" * MAX_POSITION)]


def test_the_unanswered_are_handed_over_once_with_what_their_owner_hung_on_them() -> None:
    session = ready()
    sent = session.send(prepare(Message("C1", "a")), 0.0)  # type: ignore[arg-type]
    sent.waiter = "the caller"
    session.ping(0.0)
    session.end("gone", Cause.DROPPED)
    assert [each.waiter for each in session.take_unanswered()] == ["the caller"]
    assert session.take_unanswered() == session.unanswered == []
    assert not session.is_owed


def test_a_frame_that_is_too_long_with_its_number_is_not_sent_and_costs_no_number() -> None:
    session = ready(first_id=1_000_000)
    room = MAX_FRAME_SIZE - len(msgspec.json.encode({"type": "ping", "p": "", "id": 1}))
    frame = prepare({"type": "ping", "p": "x" * room})
    with pytest.raises(FrameError, match=f"at most {MAX_FRAME_SIZE} bytes, got {MAX_FRAME_SIZE + 6}"):
        session.send(frame, 0.0)
    assert session.unanswered == []
    assert session.next_id == 1_000_000


def test_an_id_in_use_is_refused_and_free_after_its_reply() -> None:
    session = ready()
    session.send(prepare(Message("C1", "a", id=7)), 0.0)  # type: ignore[arg-type]
    with pytest.raises(FrameError, match="7"):
        session.send(prepare(Message("C1", "b", id=7)), 0.0)  # type: ignore[arg-type]
    hear(session, b'{"ok":true,"reply_to":7,"ts":"1"}', 0.1)
    assert session.send(prepare(Message("C1", "b", id=7)), 0.2).id == 7  # type: ignore[arg-type]


# -- time ---------------------------------------------------------------------------------------------------------


def test_no_hello_in_time_ends_the_session() -> None:
    session = ClientSession(100.0, timeouts=Timeouts(hello=15.0))
    assert session.deadline == 115.0
    session.handle_time(114.9)
    assert taken(session) == []
    session.handle_time(115.0)
    assert taken(session) == [Ended("no hello within 15 s", Cause.NO_HELLO)]


def test_a_ping_asks_for_a_sign_of_life_when_idle() -> None:
    session = ready(0.0)
    assert session.deadline == 10.0
    session.handle_time(10.0)
    (transmit,) = taken(session)
    assert isinstance(transmit, Transmit)
    assert msgspec.json.decode(transmit.payload) == {"type": "ping", "id": 1}
    assert session.unanswered == []  # it is the session's own
    assert not session.is_owed
    hear(session, b'{"type":"pong","reply_to":1}', 10.5)
    assert taken(session) == [Pinged(1, 0.5)]
    assert session.round_trip == 0.5
    assert session.deadline == 20.5


def test_anything_that_comes_in_puts_the_ping_off() -> None:
    session = ready(0.0)
    hear(session, TEXT, 9.0)
    session.handle_time(10.0)
    session.heard(12.0)
    session.handle_time(19.5)
    assert taken(session) == []
    assert session.deadline == 22.0


def test_silence_ends_the_session_though_pings_were_sent() -> None:
    session = ready(0.0)
    for at in (10.0, 20.0):
        session.handle_time(at)
    assert [type(each) for each in taken(session)] == [Transmit, Transmit]
    session.handle_time(30.0)
    assert taken(session) == [Ended("silence for 30 s", Cause.SILENCE)]


@pytest.mark.parametrize("answered", [(), (1,), (2,), (2, 1)])
def test_own_pings_concern_nobody_else_however_many_are_under_way(answered: tuple[int, ...]) -> None:
    session = ready(0.0, timeouts=Timeouts(idle=2.0, silence=60.0, reply=5.0))
    session.handle_time(2.0)
    session.handle_time(4.0)
    assert [type(each) for each in taken(session)] == [Transmit, Transmit]
    for each in answered:
        hear(session, b'{"type":"pong","reply_to":%d}' % each, 4.5)
    assert [type(each) for each in taken(session)] == [Pinged] * len(answered)
    for at in (9.0, 20.0):
        session.handle_time(at)
    assert not [each for each in taken(session) if not isinstance(each, Transmit)]


def test_silence_is_noticed_before_the_first_pong() -> None:
    session = ready(0.0, timeouts=Timeouts(idle=60.0, silence=5.0))
    assert session.deadline == 5.0
    session.handle_time(5.0)
    assert taken(session) == [Ended("silence for 5 s", Cause.SILENCE)]


def test_a_reply_that_does_not_come_leaves_the_outcome_unknown() -> None:
    session = ready(0.0, timeouts=Timeouts(reply=4.0))
    first = session.send(prepare(Message("C1", "a")), 0.0)  # type: ignore[arg-type]
    session.send(prepare(Message("C1", "b")), 1.0)  # type: ignore[arg-type]
    assert session.deadline == 4.0
    session.handle_time(4.5)
    assert taken(session) == [Expired(first)]
    assert [each.id for each in session.unanswered] == [2]
    hear(session, b'{"ok":true,"reply_to":1,"ts":"1"}', 4.6)  # too late: nobody waits, nobody is confused
    assert taken(session) == []


def test_the_end_leaves_the_unanswered_for_who_has_to_tell() -> None:
    session = ready()
    session.send(prepare(Message("C1", "a")), 0.0)  # type: ignore[arg-type]
    session.end("gone", Cause.DROPPED)
    assert [each.id for each in session.unanswered] == [1]


def test_what_comes_in_after_the_end_is_nobodys() -> None:
    session = ready()
    session.send(prepare(Message("C1", "a")), 0.0)  # type: ignore[arg-type]
    session.end("gone", Cause.DROPPED)
    taken(session)
    for late in (b'{"ok":true,"reply_to":1,"ts":"1"}', b'{"type":"position","position":7}', TEXT, HELLO):
        assert heard(session, late, 1.0) == []
    assert taken(session) == []


@given(st.lists(st.tuples(st.floats(0.01, 20.0), st.booleans()), max_size=30))
def test_handling_time_at_the_deadline_always_moves_it(steps: list[tuple[float, bool]]) -> None:
    """Or a timer armed for the deadline would spin."""
    session, now = ready(0.0), 0.0
    for wait, is_heard in steps:
        if session.deadline is None:
            return
        due = session.deadline
        now = max(now + wait, due)
        if is_heard:
            hear(session, TEXT, now)
        session.handle_time(now)
        assert session.deadline is None or session.deadline > now


def test_positions_among_events_keep_their_place_and_the_last_one_counts() -> None:
    session = ready()
    event, other = (
        b'{"type":"user_typing","channel":"C1","user":"U1"}',
        b'{"type":"user_typing","channel":"C2","user":"U1"}',
    )
    position = b'{"type":"position","position":"log.%d"}'
    session.receive([event, position % 1, event, position % 2, other], 1.0)

    before, positioned, after = session.effects
    assert isinstance(before, Deliver)
    assert isinstance(after, Deliver)
    assert [raw for _, raw in before.arrivals] == [event, event]
    assert before.frames == [event, position % 1, event]
    assert positioned == Positioned("log.2")
    assert [raw for _, raw in after.arrivals] == [other]
    assert after.frames == [other]


def test_positions_alone_deliver_nothing() -> None:
    session = ready()
    session.receive([b'{"type":"position","position":"log.1"}', b'{"type":"position","position":"log.2"}'], 1.0)
    assert session.effects == [Positioned("log.2")]


def test_a_goodbye_among_events_and_positions_is_heard_at_its_place() -> None:
    session = ready()
    frames = [
        b'{"type":"position","position":"log.1"}',
        b'{"type":"goodbye"}',
        b'{"type":"position","position":"log.2"}',
    ]
    session.receive(frames, 1.0)
    kinds = [type(each).__name__ for each in session.effects]
    assert kinds == ["Positioned", "Leaving", "Deliver", "Positioned"]


# -- limits, as the documentation and other clients write them -----------------------------------------------------


def test_after_the_largest_id_of_32_bits_the_session_begins_again_with_1() -> None:
    session = ready(first_id=2_147_483_646)
    assert [session.ping(0.0) for _ in range(3)] == [2_147_483_646, 2_147_483_647, 1]


def test_as_much_as_is_allowed_before_hello_is_kept() -> None:
    session = ClientSession(0.0)
    early = TEXT.ljust(MAX_EARLY_SIZE)
    assert heard(session, early, 0.1) == []
    assert heard(session, HELLO, 0.2) == [HelloEvent, MessageEvent]


def test_a_session_says_when_the_server_was_heard() -> None:
    assert ClientSession(100.0).heard_at == 100.0
