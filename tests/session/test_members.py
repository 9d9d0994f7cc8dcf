"""What may stand in a frame of a client: each wrong member is named, with its value."""

from typing import Any

import pytest

from tautwire.protocol.frames import Message, PresenceQuery, Typing
from tautwire.session.members import FrameError, check_ids, check_members

MESSAGE: dict[str, Any] = {"channel": "C1", "text": "hi"}


@pytest.mark.parametrize(
    ("kind", "frame"),
    [
        ("message", MESSAGE),
        ("message", MESSAGE | {"thread_ts": None, "reply_broadcast": None}),
        ("message", MESSAGE | {"thread_ts": "1.000000", "reply_broadcast": False}),
        ("message", MESSAGE | {"text": "x" * 4_000}),
        ("message", Message("C1", "hi", thread_ts="1.000000", reply_broadcast=True)),  # type: ignore[arg-type]
        ("typing", {"channel": "C1"}),
        ("typing", Typing("C1", thread_ts="1.000000")),  # type: ignore[arg-type]
        ("presence_sub", {"ids": []}),
        ("presence_sub", {"ids": ("U1", "U2")}),
        ("presence_query", PresenceQuery(["U1"])),  # type: ignore[arg-type]
        ("of_tomorrow", {"channel": 5, "ids": None}),
    ],
)
def test_a_frame_that_has_what_its_type_needs_passes(kind: str, frame: object) -> None:
    check_members(kind, frame)


@pytest.mark.parametrize(
    ("kind", "frame", "complaint"),
    [
        ("message", {"text": "hi"}, "channel must be a str, got None"),
        ("message", MESSAGE | {"channel": ""}, "channel must not be empty"),
        ("message", {"channel": "C1"}, "text must be a str, got None"),
        ("message", MESSAGE | {"text": ["hi"]}, r"text must be a str, got \['hi'\]"),
        ("message", MESSAGE | {"text": ""}, "text must not be empty"),
        ("message", MESSAGE | {"text": "x" * 4_001}, "text must have at most 4000 characters, got 4001"),
        ("message", MESSAGE | {"thread_ts": 1.5}, "thread_ts must be a str, got 1.5"),
        ("message", MESSAGE | {"thread_ts": ""}, "thread_ts must not be empty"),
        ("message", MESSAGE | {"reply_broadcast": 1}, "reply_broadcast must be True, False or None, got 1"),
        ("typing", {}, "channel must be a str, got None"),
        ("typing", {"channel": "C1", "thread_ts": 1}, "thread_ts must be a str, got 1"),
        ("typing", Typing(None), "channel must be a str, got None"),  # type: ignore[arg-type]
        ("presence_sub", {}, "ids must be a list of user ids, got None"),
        ("presence_query", {"ids": "U1"}, "ids must be a list of user ids, got 'U1'"),
    ],
)
def test_a_wrong_member_is_named(kind: str, frame: object, complaint: str) -> None:
    with pytest.raises(FrameError, match=f"^{complaint}$"):
        check_members(kind, frame)


@pytest.mark.parametrize("wrong", [5, None, ""])
def test_a_wrong_id_among_good_ones_is_shown(wrong: object) -> None:
    with pytest.raises(FrameError, match=f"^ids must be a list of user ids, got one with {wrong!r} in it$"):
        check_ids(["U1", wrong])


@pytest.mark.parametrize(("length", "end"), [(58, "'"), (59, "…")])
def test_of_a_wrong_value_an_error_shows_60_characters(length: int, end: str) -> None:
    with pytest.raises(FrameError) as caught:
        check_ids("x" * length)
    assert str(caught.value) == "ids must be a list of user ids, got '" + "x" * min(length, 59) + end
