"""What clients build and what servers answer, as it goes over the wire."""

import json

import pytest
from msgspec import Struct

from tautwire.protocol.codec import decode_command, decode_event, encode
from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import (
    Ack,
    AckError,
    ClientFrame,
    InvalidFrame,
    Message,
    PingCommand,
    PingMessage,
    Pong,
    Position,
    PresenceQuery,
    PresenceSub,
    Reply,
    Tickle,
    Typing,
    UnknownCommand,
)
from tautwire.protocol.ids import ChannelId, Ts, UserId
from tautwire.protocol.opendata import from_python

C1 = ChannelId("C1")
TS = Ts("1700000010.000100")


@pytest.mark.parametrize(
    ("frame", "members"),
    [
        (Message(C1, "hi"), {"type": "message", "channel": "C1", "text": "hi"}),
        (
            Message(C1, "hi", 3, TS, True),
            {"type": "message", "channel": "C1", "text": "hi", "id": 3, "thread_ts": TS, "reply_broadcast": True},
        ),
        (Typing(C1, id=1), {"type": "typing", "channel": "C1", "id": 1}),
        (PresenceSub([UserId("U1")]), {"type": "presence_sub", "ids": ["U1"]}),
        (PresenceQuery([UserId("U1")], 2), {"type": "presence_query", "ids": ["U1"], "id": 2}),
        (Tickle(), {"type": "tickle"}),
        (PingMessage(), {"type": "ping"}),
        (PingMessage(4, time=1700000000123, note=None), {"type": "ping", "id": 4, "time": 1700000000123, "note": None}),
    ],
)
def test_client_frames_leave_out_what_was_not_given(frame: ClientFrame, members: dict[str, object]) -> None:
    assert json.loads(frame.to_json()) == members
    assert encode(frame).decode() == frame.to_json()


@pytest.mark.parametrize(
    "frame",
    [
        Message(C1, "a < b", 3, TS, False),
        Typing(C1, 1),
        PresenceSub([], 5),
        PresenceQuery([UserId("U1"), UserId("U2")]),
        Tickle(9),
    ],
)
def test_the_server_reads_the_frame_that_the_client_built(frame: ClientFrame) -> None:
    assert decode_command(frame.to_json().encode()) == frame


@pytest.mark.parametrize(
    ("reply", "members"),
    [
        (Ack(1, TS, "Good morning"), {"ok": True, "reply_to": 1, "ts": TS, "text": "Good morning"}),
        (Ack(None, TS, "hi"), {"ok": True, "ts": TS, "text": "hi"}),
        (
            AckError.of(2, RtmErrorCode.NO_TEXT),
            {"ok": False, "reply_to": 2, "error": {"code": 2, "msg": "message text is missing"}},
        ),
        (
            AckError.of(0, RtmErrorCode.INVALID_FRAME, "no type"),
            {"ok": False, "reply_to": 0, "error": {"code": 1, "msg": "no type"}},
        ),
        (AckError(5, 0, ""), {"ok": False, "reply_to": 5, "error": {"code": 0, "msg": ""}}),
        (Pong(41, {"time": from_python(1700000000123)}), {"type": "pong", "reply_to": 41, "time": 1700000000123}),
        (Pong(None, {}), {"type": "pong"}),
        (Position(7), {"type": "position", "position": 7}),
    ],
)
def test_the_client_reads_the_reply_that_the_server_built(reply: Reply | Position, members: dict[str, object]) -> None:
    """Acks have no type: clients tell them by that."""
    data = encode(reply)
    assert json.loads(data) == members
    assert decode_event(data) == reply


def test_a_pong_echoes_a_ping_word_for_word() -> None:
    ping = (
        b'{"id":41,"type":"ping","time":{"nested":[1.50,"\\u00e9"]},"big":123456789012345678901234567890,"none":null}'
    )
    command = decode_command(ping)
    assert isinstance(command, PingCommand)
    assert command.pong() == (
        b'{"type":"pong","time":{"nested":[1.50,"\\u00e9"]},"big":123456789012345678901234567890,"none":null,"reply_to":41}'
    )


def test_a_ping_cannot_forge_the_number_of_its_pong() -> None:
    command = decode_command(b'{"id":41,"type":"ping","reply_to":3}')
    assert isinstance(command, PingCommand)
    assert json.loads(command.pong()) == {"type": "pong", "reply_to": 41}


def test_an_error_reply_says_the_usual_words_or_better_ones() -> None:
    assert AckError.of(2, RtmErrorCode.NO_TEXT) == AckError(2, 2, "message text is missing")
    assert AckError.of(None, RtmErrorCode.INVALID_FRAME, "no type") == AckError(None, 1, "no type")


def test_plain_data_is_encoded_too() -> None:
    assert encode({"type": "error", "error": {"code": 1}}) == b'{"type":"error","error":{"code":1}}'


@pytest.mark.parametrize(
    "frame",
    [
        Message(C1, "hi"),
        Typing(C1),
        PresenceSub([]),
        PresenceQuery([]),
        Tickle(),
        PingCommand(1, {}),
        UnknownCommand("of_tomorrow", 1),
        InvalidFrame("no type", 1),
        Ack(1),
        AckError(1, 2, "no text"),
        Pong(1, {}),
        Position("log.1"),
    ],
    ids=lambda frame: type(frame).__name__,
)
def test_a_frame_cannot_be_changed(frame: Struct) -> None:
    """One object is handed to every handler of a client, and to every service of a server."""
    for name in frame.__struct_fields__:
        with pytest.raises(AttributeError, match="immutable"):
            setattr(frame, name, None)
