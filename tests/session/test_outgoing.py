"""Frames on their way out: what is refused before it is sent, how a frame is written, and where its number goes."""

import msgspec
import pytest

from tautwire.protocol.frames import Message, PingMessage, Typing
from tautwire.session.members import MAX_TEXT_LENGTH, FrameError
from tautwire.session.outgoing import MAX_FRAME_ID, MAX_FRAME_SIZE, PING, Sent, numbered, parse_frame, prepare, type_of


@pytest.mark.parametrize(
    "frame",
    [
        Message("C1", "x" * (MAX_TEXT_LENGTH + 1)),  # type: ignore[arg-type]
        {"type": "message", "channel": "C1", "text": "x" * (MAX_TEXT_LENGTH + 1)},
        {"type": "ping", "padding": "x" * MAX_FRAME_SIZE},
        {"channel": "C1"},
        {"type": 5},
        {"type": "ping", "id": "7"},
        {"type": "ping", "id": 0},
        {"type": "ping", "id": True},
        {"type": "ping", "id": MAX_FRAME_ID + 1},
        {"type": "ping", "odd": object()},
        {"type": "ping", "odd": "\ud800"},
    ],
)
def test_a_frame_that_breaks_a_limit_is_refused(frame: object) -> None:
    with pytest.raises(FrameError):
        prepare(frame)  # type: ignore[arg-type]


def test_the_limits_themselves_are_allowed() -> None:
    text = "\N{GRINNING FACE}" * MAX_TEXT_LENGTH
    assert len(prepare(Message("C1", text)).body) > MAX_TEXT_LENGTH  # type: ignore[arg-type]
    frame = {"type": "ping", "id": 5, "p": ""}
    frame["p"] = "x" * (MAX_FRAME_SIZE - len(msgspec.json.encode(frame)))
    assert len(prepare(frame).body) == MAX_FRAME_SIZE


def test_a_frame_may_have_16_kib() -> None:
    frame = {"type": "ping", "id": 5, "p": ""}
    room = 16_384 - len(msgspec.json.encode(frame))
    assert len(prepare(frame | {"p": "x" * room}).body) == 16_384
    with pytest.raises(FrameError, match="at most 16384 bytes, got 16385"):
        prepare(frame | {"p": "x" * (room + 1)})


def test_a_frame_that_has_no_room_for_a_number_is_refused_before_it_waits_for_one() -> None:
    frame = {"type": "ping", "p": ""}
    room = MAX_FRAME_SIZE - len(msgspec.json.encode({**frame, "id": 1}))
    prepare(frame | {"p": "x" * room})
    with pytest.raises(FrameError, match=f"got {MAX_FRAME_SIZE + 1}"):
        prepare(frame | {"p": "x" * (room + 1)})


def test_ids_are_those_that_every_json_reader_holds_exactly() -> None:
    assert prepare({"type": "ping", "id": 4_503_599_627_370_496}).id == 4_503_599_627_370_496
    with pytest.raises(FrameError, match="integer from 1"):
        prepare({"type": "ping", "id": 4_503_599_627_370_497})


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (Typing(""), "channel must not be empty"),  # type: ignore[arg-type]
        ({"type": 5}, "type must be a str"),
    ],
)
def test_a_frame_is_checked_before_there_is_a_session(frame: object, text: str) -> None:
    with pytest.raises(FrameError, match=text):
        prepare(frame)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("frame", "members"),
    [
        (Message("C1", "hi"), {"type": "message", "channel": "C1", "text": "hi"}),  # type: ignore[arg-type]
        (PingMessage(time=7), {"type": "ping", "time": 7}),
        ({"type": "ping", "time": 7, "id": None}, {"type": "ping", "time": 7}),
        ({"type": "tickle"}, {"type": "tickle"}),
        ({"type": "ping", "end": "}"}, {"type": "ping", "end": "}"}),
    ],
)
def test_a_number_is_put_behind_what_is_written(frame: object, members: dict[str, object]) -> None:
    prepared = prepare(frame)  # type: ignore[arg-type]
    assert prepared.id is None
    assert msgspec.json.decode(prepared.body) == members
    assert msgspec.json.decode(numbered(prepared, 41)) == {**members, "id": 41}
    assert numbered(prepared, 42).count(b'"id"') == 1


@pytest.mark.parametrize("frame", [Message("C1", "hi", id=7), {"id": 7, "type": "ping"}])  # type: ignore[arg-type]
def test_a_number_of_its_own_stays(frame: object) -> None:
    prepared = prepare(frame)  # type: ignore[arg-type]
    assert prepared.id == 7
    assert numbered(prepared, 41) == prepared.body
    assert msgspec.json.decode(prepared.body)["id"] == 7


def test_a_mapping_of_the_caller_is_not_changed() -> None:
    frame = {"type": "ping", "id": None}
    prepare(frame)
    assert frame == {"type": "ping", "id": None}


def test_the_type_and_whether_a_reply_comes_are_known() -> None:
    frames = [Message("C1", "x"), PingMessage(), Typing("C1"), {"type": "tickle"}]  # type: ignore[arg-type]
    found = [(each.kind, each.awaits_reply) for each in map(prepare, frames)]  # type: ignore[arg-type]
    assert found == [("message", True), ("ping", True), ("typing", False), ("tickle", False)]
    assert [type_of({}), type_of({"type": 5})] == ["", ""]
    assert PING.kind == "ping"


def test_what_was_sent_is_shown_with_its_id_and_time() -> None:
    assert repr(Sent(7, b"{}", 1.5, awaits_reply=True)) == "Sent(7, b'{}', 1.5)"


def test_a_frame_as_text_is_read() -> None:
    assert parse_frame('{"type":"tickle"}') == {"type": "tickle"}


@pytest.mark.parametrize("text", ["", "[]", "[1]", "{", "nonsense", '"x"', "\ud800"])
def test_text_that_is_no_frame_is_refused(text: str) -> None:
    with pytest.raises(FrameError, match="a frame must be a JSON object"):
        parse_frame(text)
