"""Frames that do not fit their class are read as far as they can be."""

import json
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, UnsetType

from tautwire.protocol import lenient
from tautwire.protocol.codec import decode_event, encode
from tautwire.protocol.events import (
    CATALOGUE,
    ErrorEvent,
    Event,
    MalformedEvent,
    MessageChangedEvent,
    MessageEvent,
    PrefChangeEvent,
    UnknownEvent,
    UserChangeEvent,
)
from tautwire.protocol.frames import Ack, AckError
from tautwire.protocol.opendata import UNSET, to_python

MESSAGE = {"type": "message", "channel": "C1", "user": "U1", "text": "hi", "ts": "1700000010.000100"}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)
TYPES = sorted({kind for kind, _ in CATALOGUE})
NAMES = sorted({name for cls in CATALOGUE.values() for name in cls.__struct_encode_fields__} | {"subtype", "ok"})
MEMBERS = st.dictionaries(st.sampled_from(NAMES) | st.text(st.characters()), JSON, max_size=6)


def message(**members: object) -> MessageEvent:
    event = decode_event(json.dumps(MESSAGE | members))
    assert isinstance(event, MessageEvent)
    return event


def raw_message(text: bytes) -> MessageEvent:
    raw = b'{"type":"message","channel":"C1","user":"U1","text":"%s","ts":"1700000010.000100"}' % text
    event = decode_event(raw)
    assert isinstance(event, MessageEvent)
    assert (event.channel, event.user, event.ts) == ("C1", "U1", "1700000010.000100")
    return event


# --- text that is nearly JSON ---


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (rb"\uDE00 \uD83D\uDE00", "\ufffd \U0001f600"),
        (rb"\\ud83d \\\ud83d \"", '\\ud83d \\\ufffd "'),
        (rb"\ud83d\n\u00e9", "\ufffd\n\u00e9"),
        (b"a\xffb", "a\ufffdb"),
        ("ü".encode()[:1], "\ufffd"),
        (b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"),
        (b"two\nlines\tand \x00", "two\nlines\tand \x00"),
        (b"two\nlines and \\ud83d", "two\nlines and \ufffd"),
    ],
)
def test_what_is_no_text_is_replaced_and_the_rest_is_read(text: bytes, read: str) -> None:
    """Each of these is written by some server: texts cut in the middle of a character, or written by hand."""
    assert raw_message(text).text == read


@pytest.mark.parametrize("value", [b"NaN", b"-Infinity", b"1e999", b"9" * 5000])
def test_a_number_that_is_none_costs_its_member_only(value: bytes) -> None:
    event = decode_event(b'{"type":"message","channel":"C1","text":"hi","ts":"1.0","reply_count":%s}' % value)
    assert isinstance(event, MessageEvent)
    assert (event.text, event.reply_count) == ("hi", None)


def test_numbers_keep_their_digits_beside_control_characters() -> None:
    event = decode_event(b'{"type":"message","channel":"C1","text":"a\nb","ts":1700000000.000100,"blocks":[1.50]}')
    assert isinstance(event, MessageEvent)
    assert event.ts == "1700000000.000100"
    assert bytes(event.blocks) == b"[1.50]"


def test_a_byte_order_mark_does_no_harm() -> None:
    assert decode_event(b"\xef\xbb\xbf" + json.dumps(MESSAGE).encode()) == message()


def test_odd_text_in_a_name_or_type_is_read_too() -> None:
    raw = rb'{"type":"n\ud83d","\ud83d":1}'
    assert decode_event(raw) == UnknownEvent(type="n\ufffd", raw=raw)
    assert message(**{"\ud83d": 1, "is_starred": "perhaps"}) == message()


def test_open_data_with_odd_text_can_be_read() -> None:
    event = decode_event(rb'{"type":"message","channel":"C1","text":"hi","ts":"1","blocks":["\ud83d"]}')
    assert isinstance(event, MessageEvent)
    assert to_python(event.blocks) == ["\ufffd"]
    event = decode_event(b'{"type":"message","channel":"C1","text":"hi","ts":"1","blocks":["\xff"]}')
    assert isinstance(event, MessageEvent)
    assert to_python(event.blocks) == ["\ufffd"]


def test_a_long_frame_is_not_given_to_the_standard_library() -> None:
    """It takes much time and memory; a half surrogate does not need it."""
    size = lenient.MAX_REPARSED
    assert raw_message(rb"\ud83d" + b"x" * size).text == "\ufffd" + "x" * size
    raw = b'{"type":"message","text":"\n%s"}'
    assert isinstance(decode_event(raw % (b"x" * 1000)), MessageEvent)
    assert isinstance(decode_event(raw % (b"x" * size)), MalformedEvent)


def test_no_text_is_mended_beyond_the_length_of_a_frame() -> None:
    raw = rb'{"type":"message","text":"\ud83d%s"}'
    assert isinstance(decode_event(raw % (b"x" * 1000)), MessageEvent)
    assert isinstance(decode_event(raw % (b"x" * lenient.MAX_SIZE)), MalformedEvent)


# --- members ---


def test_a_null_text_reads_as_empty() -> None:
    """As servers write it whose message has attachments only."""
    event = message(text=None, attachments=[{"text": "x"}])
    assert event.text == ""
    assert to_python(event.attachments) == [{"text": "x"}]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1700000000.0001", "1700000000.000100"),
        ("1700000000.000100", "1700000000.000100"),
        ("1700000000", "1700000000.000000"),
        ("1700000000.1234567", "1700000000.123456"),
        ("5", "0000000005.000000"),
        ("17e8", "17e8"),
        ("-5", "-5"),
        ("null", ""),
        ("true", ""),
        ('{"a":1}', ""),
        ('"yesterday"', "yesterday"),
    ],
)
def test_a_timestamp_may_be_a_number(written: str, read: str) -> None:
    event = decode_event(
        b'{"type":"message","channel":"C1","text":"hi","ts":%s,"thread_ts":%s}' % (written.encode(), written.encode())
    )
    assert isinstance(event, MessageEvent)
    assert event.ts == read
    assert event.thread_ts == (read or None)


@pytest.mark.parametrize("missing", ["channel", "text", "ts"])
def test_a_needed_member_that_is_missing_reads_as_empty(missing: str) -> None:
    event = decode_event(json.dumps({name: value for name, value in MESSAGE.items() if name != missing}))
    assert isinstance(event, MessageEvent)
    assert getattr(event, missing) == ""
    assert event.user == "U1"


def test_a_number_is_text_as_it_is_written() -> None:
    event = message(text=5, user=1.50, username="x", team=True)
    assert (event.text, event.user, event.team) == ("5", "1.5", None)


def test_what_a_needed_object_lacks_is_empty() -> None:
    event = decode_event(
        '{"type":"message","subtype":"message_changed","channel":"C1","message":{"text":"new","ts":1}}'
    )
    assert isinstance(event, MessageChangedEvent)
    assert (event.message.text, event.message.ts) == ("new", "0000000001.000000")
    for odd in ("5", "null", "[]", '"x"'):
        event = decode_event('{"type":"message","subtype":"message_changed","channel":"C1","message":' + odd + "}")
        assert isinstance(event, MessageChangedEvent)
        assert (event.message.text, event.message.ts) == (None, "")


def test_every_kind_of_needed_member_has_an_empty_value() -> None:
    for (kind, subtype), cls in CATALOGUE.items():
        event: object = decode_event(json.dumps({"type": kind} | ({"subtype": subtype} if subtype else {})))
        assert type(event) is cls
    assert decode_event('{"type":"pref_change"}') == PrefChangeEvent(name="", value=UNSET)


def test_an_error_event_of_any_shape_is_one() -> None:
    """What refuses a session must not be missed."""
    for odd in ("{}", "null", '"Ratelimited"', '{"code":"x","msg":5}'):
        event = decode_event('{"type":"error","error":' + odd + "}")
        assert isinstance(event, ErrorEvent)
        assert event.error.code == 0


def test_a_list_loses_only_the_items_that_cannot_be_read() -> None:
    event = message(files=[5, {"id": "F1", "size": []}, {"no": "id"}, {"id": "F2"}], reply_users=["U1", 5, None, "U2"])
    assert event.files is not None
    assert [each.id for each in event.files] == ["F1", "F2"]
    assert event.reply_users == ["U1", "5", "U2"]


def test_a_long_list_that_does_not_fit_is_left_out() -> None:
    some: list[Any] = ["U1"] * (lenient.MAX_ITEMS - 1)
    assert message(reply_users=[*some, []]).reply_users == some
    assert message(reply_users=[*some, [], []]).reply_users is None
    assert message(reply_users=["U" * lenient.MAX_REPARSED, []]).reply_users is None


def test_the_classes_bound_how_deep_objects_are_read() -> None:
    """An object that may stand in itself would let a peer choose the depth."""

    def objects_in(hint: Any) -> list[type[Struct]]:
        inner = [each for part in get_args(hint) for each in objects_in(part)]
        return [hint, *inner] if isinstance(hint, type) and issubclass(hint, Struct) else inner

    def depth_of(cls: type[Struct], around: tuple[type, ...] = ()) -> int:
        assert cls not in around, f"{cls.__name__} may stand in itself"
        inner = [each for hint in get_type_hints(cls).values() for each in objects_in(hint)]
        return 1 + max((depth_of(each, (*around, cls)) for each in inner), default=0)

    assert max(map(depth_of, CATALOGUE.values())) < 10


def test_only_the_innermost_wrong_member_is_lost() -> None:
    user = {"id": "U1", "tz_offset": "west", "name": "\ud83d", "profile": {"title": [], "phone": "1"}}
    event = decode_event(json.dumps({"type": "user_change", "user": user}))
    assert isinstance(event, UserChangeEvent)
    assert (event.user.id, event.user.tz_offset, event.user.name) == ("U1", None, "\ufffd")
    assert event.user.profile is not None
    assert (event.user.profile.title, event.user.profile.phone) == (None, "1")


# --- replies ---


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        (rb'{"ok":true,"reply_to":7,"ts":"1.0","text":"cut \ud83d"}', Ack(7, "1.0", "cut \ufffd")),  # type: ignore[arg-type]
        (b'{"ok":true,"reply_to":7,"ts":"1.0","text":"\xff"}', Ack(7, "1.0", "\ufffd")),  # type: ignore[arg-type]
        (b'{"ok":true,"reply_to":7,"ts":1.5,"text":null}', Ack(7, "0000000001.500000", None)),  # type: ignore[arg-type]
        (b'{"ok":true,"reply_to":7,"text":5}', Ack(7, None, "5")),
        (b'{"ok":true,"reply_to":"7","text":NaN}', Ack(7)),
        (b'{"ok":true,"reply_to":7.0,"extra":1e999}', Ack(7)),
        (b'{"ok":1e999,"reply_to":7}', Ack(7)),
        (b'{"ok":false,"reply_to":7,"error":"not_in_channel"}', AckError(7, 0, "not_in_channel")),
        (b'{"reply_to":7,"error":"not_in_channel"}', AckError(7, 0, "not_in_channel")),
        (b'{"ok":false,"reply_to":7,"error":{"code":"-1","msg":"\xff"}}', AckError(7, -1, "\ufffd")),
        (b'{"ok":false,"reply_to":7,"error":[]}', AckError(7, 0, "")),
    ],
)
def test_an_odd_reply_still_settles_its_frame(raw: bytes, reply: object) -> None:
    assert decode_event(raw) == reply


# --- properties ---


@settings(max_examples=300)
@given(MEMBERS)
def test_any_object_with_the_type_message_is_a_message(members: dict[str, Any]) -> None:
    """Unless its subtype is not known; then it is kept whole."""
    event = decode_event(json.dumps(members | {"type": "message"}))
    assert isinstance(event, Event)
    assert (event.type if isinstance(event, UnknownEvent) else event.TYPE) == "message"
    assert isinstance(event, UnknownEvent) <= isinstance(members.get("subtype"), str)


@settings(max_examples=300)
@given(st.sampled_from(TYPES) | st.text(st.characters(), min_size=1).filter(lambda kind: kind != "pong"), MEMBERS)
def test_any_object_with_a_text_as_type_is_an_event(kind: str, members: dict[str, Any]) -> None:
    event = decode_event(json.dumps(members | {"type": kind}))
    assert isinstance(event, Event)
    assert not isinstance(event, MalformedEvent)
    assert decode_event(encode(event)) == event


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_any_bytes_in_a_text_leave_a_message(before: bytes, after: bytes) -> None:
    quote = str.maketrans({0x22: "", 0x5C: ""})
    text = before.decode("latin-1").translate(quote).encode("latin-1") + rb"\ud83d"
    text += after.decode("latin-1").translate(quote).encode("latin-1")
    assert "\ufffd" in raw_message(text).text


@given(JSON)
def test_only_what_is_no_object_with_a_text_as_type_is_malformed(value: object) -> None:
    event = decode_event(json.dumps(value))
    if isinstance(event, MalformedEvent):
        assert not isinstance(value, dict) or not isinstance(value.get("type"), str) or not value["type"]


def test_a_frame_nested_beyond_measure_is_malformed() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    event = decode_event('{"type":"message","blocks":' + deep + "}")
    assert isinstance(event, MalformedEvent)
    assert "recursion" in event.reason


def test_plain_data_with_half_surrogates_is_written_all_the_same() -> None:
    assert lenient.encoded({"a": 1}) == b'{"a":1}'
    assert json.loads(lenient.encoded({"text": "half \ud83d"})) == {"text": "half \ufffd"}


def test_as_much_as_a_frame_may_have_is_mended_and_no_more() -> None:
    largest = b'"\xff"'.ljust(4 * 1024 * 1024)
    assert next(lenient.mended(largest)).startswith('"\ufffd"'.encode())
    assert list(lenient.mended(largest + b" ")) == [largest + b" "]


def test_half_an_emoji_in_plain_data_is_written_as_a_replacement() -> None:
    assert lenient.encoded({"text": "a\ud83d \U0001f600"}) == rb'{"text": "a\ufffd \ud83d\ude00"}'
    assert lenient.encoded({"text": "a"}) == b'{"text":"a"}'


class Odd(Struct, rename={"kind": "type"}):
    """What no event has so far: a type that is named later, and a member with another name on the wire."""

    kind: str
    note: UnsetType | str = UNSET
    count: int = 0


def test_a_member_is_read_by_its_name_on_the_wire_and_as_any_of_its_types() -> None:
    assert lenient.read(Odd, b'{"type":5,"note":6,"count":"many"}') == Odd("5", "6")
    assert lenient.read(Odd, b'{"kind":"x"}') == Odd("")
