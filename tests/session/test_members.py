"""What may stand in a frame that a client sends: a mistake is named, with the value, before anything is sent."""

from typing import Any

import pytest

from tautwire.protocol.frames import Message
from tautwire.session.client import ClientSession, check_frame, parse_frame
from tautwire.session.members import FrameError, check_ids, check_members


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        ({"channel": "C1", "text": None}, "text must be a str, got None"),
        ({"channel": "", "text": "x"}, "channel must not be empty"),
        ({"channel": "C1", "text": "x" * 4001}, "text must have at most 4000 characters, got 4001"),
        ({"channel": "C1", "text": "x", "thread_ts": 1.5}, "thread_ts must be a str, got 1.5"),
        ({"channel": "C1", "text": "x", "reply_broadcast": 1}, "reply_broadcast must be True, False or None, got 1"),
        ({"channel": ["long"] * 40, "text": "x"}, "channel must be a str, got .*…"),
    ],
)
def test_a_wrong_member_of_a_message_is_named_with_its_value(frame: dict[str, Any], complaint: str) -> None:
    with pytest.raises(FrameError, match=complaint):
        check_members("message", frame)


@pytest.mark.parametrize("ids", ["U1", None, ["U1", ""], ["U1", 5]])
def test_ids_have_to_be_a_list_of_ids(ids: object) -> None:
    with pytest.raises(FrameError, match="ids must be a list of user ids"):
        check_ids(ids)


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        ("message", Message("C1", "x")),  # type: ignore[arg-type]
        ("message", {"channel": "C1", "text": "x", "reply_broadcast": None, "thread_ts": None}),
        ("typing", {"channel": "C1"}),
        ("presence_sub", {"ids": []}),
        ("presence_query", {"ids": ("U1",)}),
        ("never_heard_of", {"anything": object()}),
    ],
)
def test_what_a_server_can_read_passes(kind: str, frame: object) -> None:
    check_members(kind, frame)


@pytest.mark.parametrize("text", ["nonsense", "[1]", '"x"', "\ud83d"])
def test_a_frame_as_text_has_to_be_a_json_object(text: str) -> None:
    with pytest.raises(FrameError, match="a frame must be a JSON object"):
        parse_frame(text)


def test_a_frame_may_be_checked_long_before_it_is_sent() -> None:
    check_frame({"type": "tickle"})
    with pytest.raises(FrameError, match="type must be a str"):
        check_frame({"type": 5})


def test_a_session_says_when_the_server_was_heard() -> None:
    assert ClientSession(100.0).heard_at == 100.0


def test_a_frame_as_text_is_read() -> None:
    assert parse_frame('{"type":"tickle"}') == {"type": "tickle"}
