"""Members of open shape are carried as bytes and read on request."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.protocol.codec import decode_event, encode
from tautwire.protocol.events import MessageEvent, PresenceChangeEvent
from tautwire.protocol.ids import ChannelId, Ts
from tautwire.protocol.opendata import UNSET, from_python, to_python

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_python_data_survives(value: object) -> None:
    assert to_python(from_python(value)) == value


def test_absent_and_null_read_as_none() -> None:
    assert to_python(UNSET) is None
    assert to_python(from_python(None)) is None


def test_what_json_has_no_word_for_is_refused() -> None:
    with pytest.raises(TypeError):
        from_python(object())


def test_open_members_keep_their_very_bytes() -> None:
    raw = b'{"type":"message","channel":"C1","text":"","ts":"1700000010.000100","blocks":[ {"a" : 1.50} ]}'
    event = decode_event(raw)
    assert isinstance(event, MessageEvent)
    assert to_python(event.blocks) == [{"a": 1.5}]
    assert b'"blocks":[ {"a" : 1.50} ]' in encode(event)


def test_an_event_with_open_data_can_be_built() -> None:
    event = MessageEvent(
        channel=ChannelId("C1"), ts=Ts("1700000010.000100"), text="", blocks=from_python([{"type": "divider"}])
    )
    assert encode(event) == (
        b'{"type":"message","channel":"C1","text":"","ts":"1700000010.000100","blocks":[{"type":"divider"}]}'
    )


def test_an_event_gives_its_open_members_as_plain_data() -> None:
    raw = b'{"type":"message","channel":"C1","text":"x","ts":"1.000100","blocks":[{"a":1.5}]}'
    event = decode_event(raw)
    assert event.plain("blocks") == [{"a": 1.5}]
    assert event.plain("attachments") is None
    assert event.plain("text") == "x"
    with pytest.raises(AttributeError):
        event.plain("nothing")


@pytest.mark.parametrize(
    ("members", "ids"),
    [('"user":"U1"', ["U1"]), ('"users":["U1","U2"]', ["U1", "U2"]), ('"users":[]', []), ('"x":1', [])],
)
def test_a_change_of_presence_names_its_users_in_one_way(members: str, ids: list[str]) -> None:
    event = decode_event(f'{{"type":"presence_change","presence":"away",{members}}}'.encode())
    assert isinstance(event, PresenceChangeEvent)
    assert event.ids == ids


def test_what_cannot_be_mended_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        to_python(msgspec.Raw(b'{"a":1e999999999999999999999'))
