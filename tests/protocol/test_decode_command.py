"""How the server reads the frames of clients, with every oddity that real ones have."""

import json
from typing import Any

import pytest

from tautwire.protocol.codec import decode_command
from tautwire.protocol.frames import (
    Command,
    InvalidFrame,
    Message,
    PingCommand,
    PresenceQuery,
    PresenceSub,
    Tickle,
    Typing,
    UnknownCommand,
)
from tautwire.protocol.opendata import to_python


def decode(frame: object) -> Command:
    return decode_command(json.dumps(frame).encode())


def message(**members: Any) -> dict[str, Any]:
    return {"id": 1, "type": "message", "channel": "C1", "text": "hi"} | members


@pytest.mark.parametrize("number", [0, 1, 2**31, 2**63 - 1])  # old Go and Rust clients send 0
def test_a_number_is_kept(number: int) -> None:
    assert decode(message(id=number)) == Message("C1", "hi", number)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [-1, "1", 1.5, True, 2**63, [], {}, "x" * 5_000])
def test_a_message_whose_number_cannot_be_repeated_is_refused(number: object) -> None:
    """Its ack could not say what it answers, and the client would wait for one."""
    refused = decode(message(id=number))
    assert isinstance(refused, InvalidFrame)
    assert "is not an integer from 0" in refused.reason
    assert len(refused.reason) < 100


@pytest.mark.parametrize(("length", "shown"), [(38, '"' + 38 * "x" + '"'), (39, '"' + 39 * "x" + "…")])
def test_of_a_number_that_is_none_the_refusal_repeats_40_characters(length: int, shown: str) -> None:
    assert decode(message(id="x" * length)) == InvalidFrame(f"id {shown} is not an integer from 0 to 2**63-1", None)


@pytest.mark.parametrize("number", [None, -1, "1", 1.5, True, 2**63, [], {}])
def test_what_is_no_number_is_none(number: object) -> None:
    """Old Python clients send none."""
    for frame in (message(), {"type": "ping"}, {"type": "typing", "channel": "C1"}, {"type": "news"}):
        assert decode(frame | {"id": number}).id is None


def test_a_missing_number_is_none() -> None:
    assert decode({"type": "message", "channel": "C1", "text": "hi"}).id is None


@pytest.mark.parametrize(
    "extra",
    [
        {"attachments": None},
        {"blocks": [{"type": "divider"}]},
        {"thread_ts": None},
        {"thread_ts": 17.5},
        {"reply_broadcast": None},
        {"reply_broadcast": "yes"},
        {"user": "U1", "as_user": True},
    ],
)
def test_extra_and_null_members_of_a_message_do_no_harm(extra: dict[str, Any]) -> None:
    assert decode(message(**extra)) == Message("C1", "hi", 1)  # type: ignore[arg-type]


def test_a_reply_names_its_thread() -> None:
    command = decode(message(thread_ts="1700000010.000100", reply_broadcast=True))
    assert isinstance(command, Message)
    assert command.thread_ts == "1700000010.000100"
    assert command.reply_broadcast is True


@pytest.mark.parametrize("wrong", [None, 7, [], {"a": 1}])
def test_text_and_channel_of_the_wrong_type_read_as_empty(wrong: object) -> None:
    assert decode(message(text=wrong)) == Message("C1", "", 1)  # type: ignore[arg-type]
    assert decode(message(channel=wrong)) == Message("", "hi", 1)  # type: ignore[arg-type]
    assert decode({"type": "message"}) == Message("", "")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["typing", "user_typing"])
def test_typing_has_two_names(name: str) -> None:
    frame = {"type": name, "channel": "C1", "thread_ts": "1700000010.000100", "id": 3}
    assert decode(frame) == Typing("C1", 3, "1700000010.000100")  # type: ignore[arg-type]


def test_a_ping_keeps_all_its_members() -> None:
    command = decode({"id": 41, "type": "ping", "time": {"nested": [1]}, "flag": True})
    assert isinstance(command, PingCommand)
    assert command.id == 41
    assert {name: to_python(value) for name, value in command.members.items()} == {
        "time": {"nested": [1]},
        "flag": True,
    }


def test_a_ping_outlives_the_buffer_it_came_in() -> None:
    buffer = bytearray(b'{"type":"ping","time":17}')
    command = decode_command(memoryview(buffer))
    buffer[:] = b" " * len(buffer)
    assert isinstance(command, PingCommand)
    assert command.pong() == b'{"type":"pong","time":17}'


@pytest.mark.parametrize(("name", "cls"), [("presence_sub", PresenceSub), ("presence_query", PresenceQuery)])
def test_presence_lists(name: str, cls: type[PresenceSub | PresenceQuery]) -> None:
    assert decode({"type": name, "ids": ["U1", "W2"], "id": 0}) == cls(["U1", "W2"], 0)  # type: ignore[list-item]
    assert decode({"type": name, "ids": ["U1", 7, None], "id": 2}) == cls(["U1"], 2)  # type: ignore[list-item]
    assert decode({"type": name, "ids": "U1"}) == cls([])
    assert decode({"type": name}) == cls([])


def test_tickle() -> None:
    assert decode({"type": "tickle", "id": 7, "reason": "focus"}) == Tickle(7)
    assert decode({"type": "tickle", "id": None, "reason": 5}) == Tickle()
    assert decode({"type": "tickle", "id": "7"}) == Tickle()


def test_an_unknown_type_is_no_error() -> None:
    assert decode({"type": "subscription_update", "id": 5}) == UnknownCommand("subscription_update", 5)
    assert decode({"type": ""}) == UnknownCommand("", None)


@pytest.mark.parametrize("frame", [{}, {"type": None}, {"type": 7}, {"type": ["message"]}])
def test_a_frame_without_a_type_is_invalid(frame: dict[str, Any]) -> None:
    assert decode(frame | {"id": 3}) == InvalidFrame("no type", 3)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"7", b"text", b'{"type":"message"', b"\xff", b'{"type":"message","text":"\xff"}'],
)
def test_what_is_no_json_object_is_invalid(data: bytes) -> None:
    command = decode_command(data)
    assert isinstance(command, InvalidFrame)
    assert command.id is None
    assert command.reason


def test_deep_nesting_is_invalid_and_nothing_worse() -> None:
    assert isinstance(decode_command(b'{"type":"ping","x":' + b"[" * 16_000), InvalidFrame)
