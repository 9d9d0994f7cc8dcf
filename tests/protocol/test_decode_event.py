"""How a client reads the frames of a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tautwire.protocol import events
from tautwire.protocol.codec import decode_event, decode_events, encode
from tautwire.protocol.events import (
    EmojiChangedAddEvent,
    EmojiChangedEvent,
    MalformedEvent,
    MessageBotEvent,
    MessageEvent,
    UnknownEvent,
)
from tautwire.protocol.frames import Ack, AckError, Pong
from tautwire.protocol.opendata import to_python

SAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parent.parent / "data" / "samples.json").read_text())
MESSAGE = {"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1700000010.000100"}


def decode(frame: object) -> Any:
    return decode_event(json.dumps(frame))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["name"])
def test_real_frames_keep_all_they_say(sample: dict[str, Any]) -> None:
    """A sample becomes its class and is written again with every member it had."""
    event = decode(sample["frame"])
    assert type(event) is getattr(events, sample["class"])
    assert json.loads(encode(event)) == sample["frame"]


def test_text_reads_like_the_bytes_of_it() -> None:
    frame = json.dumps(MESSAGE | {"text": "Grüße"}, ensure_ascii=False)
    assert decode_event(frame) == decode_event(frame.encode())


def test_frames_together_read_like_each_alone() -> None:
    frames = [json.dumps(each["frame"]).encode() for each in SAMPLES] + [b"no JSON", b'{"type":"news"}']
    assert decode_events(frames) == [decode_event(each) for each in frames]


@pytest.mark.parametrize("extra", [{"news": {"a": [1]}}, {"client_msg_id": None}, {"edited": None}, {"files": None}])
def test_unknown_members_and_nulls_do_no_harm(extra: dict[str, Any]) -> None:
    assert decode(MESSAGE | extra) == decode(MESSAGE)


def test_the_order_of_members_does_not_matter() -> None:
    assert decode(dict(reversed(MESSAGE.items()))) == decode(MESSAGE)


def test_a_subtype_decides_the_class() -> None:
    assert type(decode(MESSAGE)) is MessageEvent
    assert type(decode(MESSAGE | {"subtype": None})) is MessageEvent
    assert type(decode(MESSAGE | {"subtype": "bot_message", "bot_id": "B1"})) is MessageBotEvent
    assert type(decode({"type": "emoji_changed", "event_ts": "1"})) is EmojiChangedEvent
    assert type(decode({"type": "emoji_changed", "subtype": "add", "name": "x", "value": "y", "event_ts": "1"})) is (
        EmojiChangedAddEvent
    )


def test_a_message_of_an_unknown_subtype_is_no_message_event() -> None:
    frame = json.dumps(MESSAGE | {"subtype": "news"})
    assert decode_event(frame) == UnknownEvent(type="message", subtype="news", raw=frame.encode())


def test_any_other_type_falls_back_to_its_plain_class() -> None:
    assert type(decode({"type": "emoji_changed", "subtype": "news", "event_ts": "1"})) is EmojiChangedEvent
    assert type(decode({"type": "hello", "subtype": "news"})) is events.HelloEvent


def test_an_unknown_type_is_kept_whole() -> None:
    raw = b'{"type":"news","subtype":7,"a":[1.0]}'
    event = decode_event(raw)
    assert event == UnknownEvent(type="news", subtype=None, raw=raw)
    assert encode(event) == raw


def test_a_replayed_message_is_a_message_and_no_ack() -> None:
    event = decode(MESSAGE | {"reply_to": 7})
    assert isinstance(event, MessageEvent)
    assert event.reply_to == 7


@pytest.mark.parametrize(
    ("frame", "reply"),
    [
        ({"ok": True, "reply_to": 1, "ts": "1.0", "text": "x"}, Ack(1, "1.0", "x")),  # type: ignore[arg-type]
        ({"ok": True, "reply_to": 1, "type": ""}, Ack(1)),
        ({"ok": True, "reply_to": 1, "type": None, "channel": "C1"}, Ack(1)),
        ({"reply_to": "12"}, Ack(12)),
        ({"ok": True, "reply_to": {"a": 1}, "text": []}, Ack(None)),
        ({"ok": False, "reply_to": 1, "error": {"code": -1, "msg": "slow"}}, AckError(1, -1, "slow")),
        ({"reply_to": 1, "error": {"code": 4}}, AckError(1, 4, "")),
        ({"ok": False, "reply_to": 1, "error": "oops"}, AckError(1, 0, "oops")),
        ({"type": "pong", "reply_to": 4}, Pong(4, {})),
        ({"type": "pong", "reply_to": "x"}, Pong(None, {})),
        ({"type": "pong"}, Pong(None, {})),
    ],
)
def test_replies_are_told_by_the_missing_type(frame: dict[str, Any], reply: object) -> None:
    assert decode(frame) == reply


def test_a_pong_carries_what_the_ping_did() -> None:
    pong = decode({"type": "pong", "reply_to": 4, "time": {"nested": 1}})
    assert {name: to_python(value) for name, value in pong.members.items()} == {"time": {"nested": 1}}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b"7", "Expected `object`"),
        (b'"text"', "Expected `object`"),
        (b"{}", "Neither an event"),
        (b'{"type":"hello"} trailing', "malformed"),
        (b'{"type":7}', "Expected `str`"),
        (b"\xff", "malformed"),
        (b'{"type":"message","blocks":' + b"[" * 200_000, "recursion"),
        ("\ud800", "malformed"),
    ],
)
def test_what_is_no_frame_is_malformed_with_a_reason(raw: bytes | str, reason: str) -> None:
    event = decode_event(raw)
    assert isinstance(event, MalformedEvent)
    assert event.type == ""
    assert reason in event.reason
    assert encode(event) == (raw.encode(errors="surrogatepass") if isinstance(raw, str) else raw)


@pytest.mark.parametrize(
    "extra",
    [
        {"is_starred": "perhaps"},
        {"edited": 5},
        {"reply_users": "U1"},
        {"edited": {"user": "U1"}},
        {"edited": {"ts": [], "user": "U1"}},
        {"subtype": 5},
        {"files": [5, {"no": "id"}]},
        {"reactions": {"name": "x"}, "user_profile": "Ada", "reply_count": "many", "bot_profile": []},
    ],
)
def test_an_optional_member_of_the_wrong_shape_is_taken_for_absent(extra: dict[str, Any]) -> None:
    """wire/reconnecting.md#a-clients-algorithm: never fail on wrong optional types."""
    event = decode(MESSAGE | extra)
    assert isinstance(event, MessageEvent)
    assert event.text == "hi"
    assert event.edited is None
    assert not event.files


def test_a_member_given_twice_does_no_harm() -> None:
    raw = b'{"type":"message","edited":{"ts":5},"edited":"x","channel":"C1","text":"hi","ts":"1700000010.000100"}'
    event = decode_event(raw)
    assert isinstance(event, MessageEvent)
    assert event.edited is None


@pytest.mark.parametrize(
    ("frame", "path", "value"),
    [
        (
            {"type": "channel_rename", "channel": {"id": "C1", "name": "x", "created": "1700000000"}},
            "channel.created",
            1700000000,
        ),
        (
            {"type": "channel_joined", "channel": {"id": "C1", "topic": {"last_set": None}}},
            "channel.topic.last_set",
            None,
        ),
        ({"type": "subteam_updated", "subteam": {"id": "S1", "user_count": "3"}}, "subteam.user_count", 3),
        ({"type": "channel_archive", "channel": "C1", "user": "U1", "is_moved": 1}, "is_moved", 1),
        ({"type": "user_change", "user": {"id": "U1", "deleted": 0, "updated": "5"}}, "user.deleted", False),
        ({"type": "group_open", "user": "U1", "channel": "G1", "is_mpim": "true"}, "is_mpim", True),
    ],
)
def test_types_that_sdks_have_met(frame: dict[str, Any], path: str, value: object) -> None:
    """wire/delivery.md#traps-for-decoders: numbers as digits, booleans as numbers, null for absent."""
    found = decode(frame)
    for name in path.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize("count", ["3", 3])
def test_pin_count_may_be_digits_or_a_number(count: object) -> None:
    item = {"type": "message", "channel": "C1"}
    event = decode(
        {"type": "pin_added", "user": "U1", "channel_id": "C1", "item": item, "pin_count": count, "event_ts": "1"}
    )
    assert int(event.pin_count) == 3


@pytest.mark.parametrize("fields", [None, [], {}, {"Xf1": {"value": "x"}}])
def test_profile_fields_may_be_null_a_list_or_an_object(fields: object) -> None:
    event = decode({"type": "user_change", "user": {"id": "U1", "profile": {"fields": fields}}})
    assert to_python(event.user.profile.fields) == fields
