"""The server's side of a connection: states, answers, limits, and what holds whatever a client sends."""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tautwire.protocol.errors import LocalProtocolError, RtmErrorCode
from tautwire.protocol.frames import Message, PresenceQuery, PresenceSub, Tickle, Typing
from tautwire.protocol.ids import Ts
from tautwire.session.ratelimit import Rate
from tautwire.session.server import (
    HELLO,
    MAX_FRAME_SIZE,
    MAX_PENDING,
    MAX_PRESENCE_IDS,
    MAX_REJECTIONS,
    MAX_TEXT_LENGTH,
    OTHER_RATE,
    TOO_BIG,
    TOO_FAST,
    TRANSITIONS,
    Answer,
    Close,
    ServerSession,
    State,
    Step,
)

TS = Ts("1700000000.000001")


def frame(**members: Any) -> bytes:
    return json.dumps(members, ensure_ascii=False).encode()


def message(number: int | None = 1, text: str = "hi", channel: str = "C1", **members: Any) -> bytes:
    return frame(type="message", id=number, channel=channel, text=text, **members)


def opened(**options: Any) -> ServerSession:
    session = ServerSession(**options)
    session.welcome()
    return session


def answer(session: ServerSession, data: bytes, now: float = 0.0) -> dict[str, Any]:
    """Feed a frame that is answered at once; return the answer."""
    outcome = session.receive(data, now)
    assert isinstance(outcome, Answer)
    found: dict[str, Any] = json.loads(outcome.payload)
    return found


def take(session: ServerSession, step: Step) -> None:
    match step:
        case Step.WELCOME:
            session.welcome()
        case Step.REFUSE:
            session.refuse(RtmErrorCode.URL_EXPIRED)
        case Step.GOODBYE:
            session.goodbye()
        case Step.CLOSE:
            session.close()


# --- states ---


@pytest.mark.parametrize(("state", "step"), list(product(State, Step)))
def test_every_step_in_every_state_is_in_the_table_or_refused(state: State, step: Step) -> None:
    session = ServerSession()
    session.state = state
    wanted = TRANSITIONS.get((state, step))
    if wanted is None:
        with pytest.raises(LocalProtocolError, match=step.value):
            take(session, step)
        assert session.state is state
    else:
        take(session, step)
        assert session.state is wanted


def test_a_session_can_be_closed_in_every_state_and_never_leaves_it() -> None:
    assert {state for state, step in TRANSITIONS if step is Step.CLOSE} == set(State)
    assert {after for (state, _), after in TRANSITIONS.items() if state is State.CLOSED} == {State.CLOSED}


def test_the_picture_in_the_docstring_is_the_table() -> None:
    lines = (ServerSession.__module__ and __import__(ServerSession.__module__, fromlist=["x"]).__doc__).splitlines()
    start = next(n for n, line in enumerate(lines) if line.split() == ["state", *(step.value for step in Step)])
    for line in lines[start + 1 : start + 1 + len(State)]:
        name, *after = line.split()
        for step, text in zip(Step, after, strict=True):
            wanted = TRANSITIONS.get((State[name], step))
            assert text == (wanted.name if wanted else "-")


def test_hello_is_what_a_welcome_says() -> None:
    assert ServerSession().welcome() == HELLO == b'{"type":"hello"}'


def test_a_refusal_is_an_error_event() -> None:
    session = ServerSession()
    assert json.loads(session.refuse(RtmErrorCode.URL_EXPIRED)) == {
        "type": "error",
        "error": {"code": 1, "msg": "Socket URL has expired"},
    }
    assert not session.is_live


def test_goodbye_is_said_once_and_only_to_who_was_welcomed() -> None:
    session = ServerSession()
    assert session.goodbye() is None
    session = opened()
    assert session.goodbye() == b'{"type":"goodbye"}'
    assert session.goodbye() is None


def test_after_goodbye_frames_are_still_answered() -> None:
    session = opened()
    session.goodbye()
    assert isinstance(session.receive(message(7), 0.0), Message)
    assert session.acknowledge(7, TS, "hi") is not None


@pytest.mark.parametrize("data", [message(), frame(type="ping", id=1), b"garbage", b"x" * 100_000])
def test_nothing_comes_out_before_hello_or_after_the_close(data: bytes) -> None:
    session = ServerSession()
    assert session.receive(data, 0.0) is None
    session.welcome()
    session.close()
    assert session.receive(data, 0.0) is None
    assert session.fail(1, RtmErrorCode.INVALID_CHANNEL) is None
    assert session.goodbye() is None


# --- frames ---


def test_a_message_becomes_a_command_and_its_answer_an_ack() -> None:
    session = opened()
    assert session.receive(message(7, thread_ts="1.000000", reply_broadcast=True), 0.0) == Message(
        channel="C1", text="hi", id=7, thread_ts="1.000000", reply_broadcast=True
    )
    assert json.loads(session.acknowledge(7, TS, "<hi>") or b"") == {
        "ok": True,
        "reply_to": 7,
        "ts": TS,
        "text": "<hi>",
    }


def test_a_message_without_an_id_gets_an_ack_without_reply_to() -> None:
    session = opened()
    session.receive(message(None), 0.0)
    assert json.loads(session.acknowledge(None, TS, "hi") or b"") == {"ok": True, "ts": TS, "text": "hi"}


@pytest.mark.parametrize(
    ("code", "number", "msg"),
    [
        (RtmErrorCode.INVALID_CHANNEL, 0, "invalid channel id"),
        (RtmErrorCode.CANNOT_PROCESS, 4, "cannot process message"),
    ],
)
def test_a_rejected_message_gets_an_error_with_its_code(code: RtmErrorCode, number: int, msg: str) -> None:
    session = opened()
    session.receive(message(7), 0.0)
    assert json.loads(session.reject(7, code) or b"") == {
        "ok": False,
        "reply_to": 7,
        "error": {"code": number, "msg": msg},
    }


def test_a_message_is_answered_once() -> None:
    session = opened()
    session.receive(message(7), 0.0)
    session.acknowledge(7, TS, "hi")
    for again in (lambda: session.acknowledge(7, TS, "hi"), lambda: session.reject(7, RtmErrorCode.CANNOT_PROCESS)):
        with pytest.raises(LocalProtocolError, match="answered once"):
            again()


def test_an_answer_that_comes_after_the_close_is_dropped() -> None:
    session = opened()
    session.receive(message(1), 0.0)
    session.receive(message(2), 0.0)
    session.close()
    assert session.acknowledge(1, TS, "hi") is None
    assert session.reject(2, RtmErrorCode.CANNOT_PROCESS) is None


def test_pings_never_leave_the_session() -> None:
    ping = {"id": 41, "time": 1700000000123, "nested": {"a": [1, None]}, "text": "ä"}
    pong = answer(opened(), frame(type="ping", **ping))
    assert pong.pop("reply_to") == ping.pop("id")
    assert pong == {"type": "pong", **ping}


def test_other_commands_are_passed_on() -> None:
    session = opened()
    assert session.receive(frame(type="typing", channel="C1", id=1), 0.0) == Typing("C1", 1)
    assert session.receive(frame(type="user_typing", channel="C1"), 0.0) == Typing("C1")
    assert session.receive(frame(type="presence_sub", ids=["U1"]), 0.0) == PresenceSub(["U1"])
    assert session.receive(frame(type="presence_query", ids=["U1"]), 0.0) == PresenceQuery(["U1"])
    assert session.receive(frame(type="tickle"), 0.0) == Tickle()
    assert session.receive(frame(type="of_tomorrow", id=1), 0.0) is None


@pytest.mark.parametrize("kind", ["presence_sub", "presence_query"])
def test_ids_beyond_the_limit_are_ignored(kind: str) -> None:
    command = opened().receive(frame(type=kind, ids=[f"U{n}" for n in range(600)], id=3), 0.0)
    assert isinstance(command, PresenceSub | PresenceQuery)
    assert (len(command.ids), command.ids[-1], command.id) == (MAX_PRESENCE_IDS, "U499", 3)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"{}", b'{"type":1}', b'{"id":7}'])
def test_what_is_no_frame_is_answered_and_harms_nothing(data: bytes) -> None:
    session = opened()
    reply = answer(session, data)
    assert reply["ok"] is False
    assert reply["error"]["code"] == 1
    assert reply["reply_to"] == (7 if b"7" in data else 0)
    assert isinstance(session.receive(message(), 0.0), Message)


# --- limits ---


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 2),
        ("x" * (MAX_TEXT_LENGTH + 1), 3),
        ("ä" * (MAX_TEXT_LENGTH + 1), 3),
    ],
)
def test_texts_that_are_refused(text: str, code: int) -> None:
    assert answer(opened(), message(5, text))["error"]["code"] == code


@pytest.mark.parametrize("character", ["x", "ä", "😀"])
def test_a_text_of_the_full_length_passes_in_every_script(character: str) -> None:
    assert isinstance(opened().receive(message(1, character * MAX_TEXT_LENGTH), 0.0), Message)


def test_a_frame_over_the_limit_ends_the_connection() -> None:
    session = opened()
    fits = frame(type="ping", x="").ljust(MAX_FRAME_SIZE)
    assert isinstance(session.receive(fits, 0.0), Answer)
    outcome = session.receive(fits + b" ", 0.0)
    assert isinstance(outcome, Close)
    assert outcome.code == TOO_BIG


def test_a_burst_passes_and_what_is_over_it_is_told_to_slow_down() -> None:
    session = opened(message_rate=Rate(1.0, 3))
    for _ in range(3):
        assert isinstance(session.receive(message(), 10.0), Message)
    assert answer(session, message(9), 10.9) == {
        "ok": False,
        "reply_to": 9,
        "error": {"code": -1, "msg": "slow down, too many messages..."},
    }
    assert isinstance(session.receive(message(), 11.0), Message)


def test_other_frames_are_not_counted() -> None:
    session = opened(message_rate=Rate(1.0, 1))
    for _ in range(100):
        assert answer(session, frame(type="ping", id=1))["type"] == "pong"
    assert isinstance(session.receive(message(), 0.0), Message)


def flooded(session: ServerSession, count: int) -> list[object]:
    return [session.receive(message(), 0.0) for _ in range(count)]


def test_who_does_not_slow_down_is_cut_off() -> None:
    session = opened(message_rate=Rate(1.0, 1))
    *answers, last = flooded(session, 1 + MAX_REJECTIONS)[1:]
    assert all(isinstance(outcome, Answer) for outcome in answers)
    assert isinstance(last, Close)
    assert last.code == TOO_FAST


def test_only_rejections_in_a_row_count() -> None:
    session = opened(message_rate=Rate(1.0, 1))
    flooded(session, MAX_REJECTIONS)
    assert isinstance(session.receive(message(), 1.0), Message)
    assert all(isinstance(session.receive(message(), 1.0), Answer) for _ in range(MAX_REJECTIONS - 1))


def test_without_a_rate_nothing_is_too_fast() -> None:
    session = opened(message_rate=None)
    assert all(isinstance(outcome, Message) for outcome in flooded(session, 3 * MAX_PENDING))


def test_a_session_tells_when_too_much_waits() -> None:
    session = opened(message_rate=None)
    flooded(session, MAX_PENDING - 1)
    assert not session.is_full
    flooded(session, 1)
    assert session.is_full
    session.acknowledge(1, TS, "hi")
    assert not session.is_full


# --- whatever a client sends ---

MEMBERS = st.dictionaries(
    st.sampled_from(
        ["type", "id", "channel", "text", "ids", "thread_ts", "reply_broadcast", "x", "subtype", "reply_to"]
    ),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**70), 2**70)
        | st.floats(allow_nan=False)
        | st.text(max_size=8)
        | st.sampled_from(["message", "typing", "ping", "presence_sub", "presence_query", "tickle", "C1"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=6,
)


@given(st.binary(max_size=200) | MEMBERS.map(lambda members: json.dumps(members).encode()))
def test_no_frame_whatever_it_holds_raises_or_closes(data: bytes) -> None:
    outcome = opened(message_rate=None).receive(data, 0.0)
    assert not isinstance(outcome, Close)
    if isinstance(outcome, Answer):
        assert isinstance(json.loads(outcome.payload), dict)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_a_frame_that_was_cut_short_is_answered_or_ignored(tail: bytes, cut: int) -> None:
    assert not isinstance(opened().receive(message(1)[:cut] + tail, 0.0), Close)


class Conversation(RuleBasedStateMachine):
    """A client that sends anything and a server that does anything, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.session = ServerSession(message_rate=Rate(1.0, 5))
        self.now = 0.0
        self.number = 0
        self.waiting: list[int] = []
        self.answered: list[int] = []
        self.said: list[bytes] = []

    def hear(self, payload: bytes | None) -> None:
        if payload is not None:
            self.said.append(payload)

    @precondition(lambda self: self.session.state is State.ACCEPTED)
    @rule()
    def welcome(self) -> None:
        self.hear(self.session.welcome())

    @precondition(lambda self: self.session.state is State.ACCEPTED)
    @rule()
    def refuse(self) -> None:
        self.hear(self.session.refuse(RtmErrorCode.URL_EXPIRED))

    @rule()
    def goodbye(self) -> None:
        self.hear(self.session.goodbye())

    @rule()
    def close(self) -> None:
        self.session.close()

    @rule(pause=st.floats(0, 5))
    def wait(self, pause: float) -> None:
        self.now += pause

    @rule(text=st.sampled_from(["", "hi", "x" * 4_001]))
    def say(self, text: str) -> None:
        self.number += 1
        was_live = self.session.is_live
        outcome = self.session.receive(message(self.number, text), self.now)
        match outcome:
            case Message():
                self.waiting.append(self.number)
            case Answer(payload):
                self.note(payload)
            case Close():
                self.session.close()
            case _:
                assert not was_live

    @rule(members=MEMBERS)
    def babble(self, members: dict[str, Any]) -> None:
        outcome = self.session.receive(json.dumps(members | {"type": "ping"}).encode(), self.now)
        if isinstance(outcome, Answer):
            self.hear(outcome.payload)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), is_good=st.booleans())
    def report(self, data: st.DataObject, is_good: bool) -> None:
        number = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(number)
        if is_good:
            payload = self.session.acknowledge(number, TS, "hi")
        else:
            payload = self.session.reject(number, RtmErrorCode.CANNOT_PROCESS)
        assert (payload is not None) is self.session.is_live
        if payload is not None:
            self.note(payload)

    def note(self, payload: bytes) -> None:
        self.answered.append(json.loads(payload)["reply_to"])
        self.hear(payload)

    @invariant()
    def no_message_is_answered_twice(self) -> None:
        assert len(self.answered) == len(set(self.answered))
        assert not set(self.answered) & set(self.waiting)

    @invariant()
    def hello_is_first_and_goodbye_comes_once(self) -> None:
        if self.said:
            assert self.said[0] == HELLO or json.loads(self.said[0])["type"] == "error"
        assert self.said.count(b'{"type":"goodbye"}') <= 1

    @invariant()
    def an_ended_session_is_silent(self) -> None:
        if not self.session.is_live:
            assert self.session.receive(message(10**6), self.now) is None


TestConversation = Conversation.TestCase


def test_other_frames_too_many_are_refused_with_an_answer_where_they_get_one() -> None:
    session = opened()
    for _ in range(OTHER_RATE.burst):
        session.receive(frame(type="typing", channel="C1", id=1), 0.0)
    assert session.receive(frame(type="typing", channel="C1", id=1), 0.0) is None
    assert session.receive(frame(type="never_heard_of", id=2), 0.0) is None
    refused = answer(session, frame(type="ping", id=3))
    assert (refused["ok"], refused["reply_to"], refused["error"]["code"]) == (False, 3, -1)


# --- frames that are no messages come too fast as well ---


@pytest.mark.parametrize(
    ("kind", "burst", "per_second"), [("presence_sub", 20, 1), ("presence_query", 20, 1), ("ping", 100, 10)]
)
def test_other_frames_have_a_rate_of_their_own(kind: str, burst: int, per_second: int) -> None:
    session = opened()
    data = frame(type=kind, id=7, ids=["U1"])

    def passed(now: float, of: int) -> int:
        outcomes = [session.receive(data, now) for _ in range(of)]
        refusals = [each for each in outcomes if isinstance(each, Answer) and each.error is RtmErrorCode.SLOW_DOWN]
        assert all(json.loads(each.payload)["reply_to"] == 7 for each in refusals)
        return len(outcomes) - len(refusals)

    assert passed(0.0, of=burst + 10) == burst
    assert passed(1.0, of=per_second + 10) == per_second


@pytest.mark.parametrize("kind", ["typing", "tickle", "of_tomorrow"])
def test_what_is_never_answered_is_dropped_without_an_answer_when_it_is_too_fast(kind: str) -> None:
    session = opened()
    data = frame(type=kind, id=7, channel="C1")
    outcomes = [session.receive(data, 0.0) for _ in range(120)]
    assert outcomes[100:] == [None] * 20
    assert answer(session, frame(type="ping", id=8))["error"]["code"] == RtmErrorCode.SLOW_DOWN.number
    assert isinstance(session.receive(message(), 0.0), Message)


def test_typing_that_was_left_out_does_not_cost_the_next_ping_its_warning() -> None:
    """Only what was answered counts against a client: what was dropped it never learned of."""
    session = opened()
    for _ in range(100 + 3 * MAX_REJECTIONS):
        assert not isinstance(session.receive(frame(type="typing", channel="C1"), 0.0), Close)
    answers = [session.receive(frame(type="ping", id=number), 0.0) for number in range(1, MAX_REJECTIONS + 1)]
    assert [each.error for each in answers[:-1] if isinstance(each, Answer)] == [RtmErrorCode.SLOW_DOWN] * 49
    assert isinstance(answers[-1], Close)
