"""WebSocket frames as they go over the wire. Source: RFC 6455 section 5.2."""

import pytest

from tautwire.server.hub.frames import SharedFrames, position_frame
from tautwire.server.log.entry import WORKSPACE, Entry
from tautwire.server.sockets.frames import text_frame

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_head_of_a_frame_says_its_length_in_as_few_bytes_as_can_be(size: int, head: bytes) -> None:
    payload = b"x" * size
    assert text_frame(payload) == head + payload


def test_a_position_is_an_event_of_its_own() -> None:
    assert position_frame("log.7") == b'\x81\x26{"type":"position","position":"log.7"}'


def test_frames_are_shared_up_to_8_mib_and_the_oldest_go_first() -> None:
    frames = SharedFrames()
    entries = [Entry(number, "event", WORKSPACE, b"x" * MIB) for number in range(1, 10)]
    made = [frames.of(entry) for entry in entries]
    assert made == [text_frame(entry.payload) for entry in entries]
    assert frames.size == 7 * len(made[0]) <= 8 * MIB
    assert [frames.of(entry) is frame for entry, frame in zip(entries[2:], made[2:], strict=True)] == [True] * 7
    assert frames.of(entries[0]) is not made[0]


def test_entries_that_fill_the_room_exactly_all_stay() -> None:
    frames = SharedFrames()
    entries = [Entry(number, "event", WORKSPACE, b"x" * (MIB - 10)) for number in range(1, 9)]
    made = [frames.of(entry) for entry in entries]
    assert frames.size == 8 * MIB
    assert all(frames.of(entry) is frame for entry, frame in zip(entries, made, strict=True))
