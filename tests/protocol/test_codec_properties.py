"""The codec answers whatever comes: random bytes, random JSON, and real frames with random damage."""

import json
from pathlib import Path
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from tautwire.protocol.codec import decode_command, decode_event, encode
from tautwire.protocol.events import Event
from tautwire.protocol.frames import Command, PingCommand, Position, Reply

DATA = Path(__file__).parent.parent / "data"
FRAMES: list[dict[str, Any]] = [row["example"] for row in json.loads((DATA / "events.json").read_text())]
FRAMES += [sample["frame"] for sample in json.loads((DATA / "samples.json").read_text())]
COMMANDS: list[dict[str, Any]] = [
    {"id": 1, "type": "message", "channel": "C1", "text": "hi", "thread_ts": "1700000010.000100"},
    {"id": 2, "type": "typing", "channel": "C1"},
    {"id": 3, "type": "ping", "time": 1700000000123},
    {"id": 4, "type": "presence_sub", "ids": ["U1"]},
    {"id": 5, "type": "presence_query", "ids": ["U1"]},
    {"id": 6, "type": "tickle", "reason": "focus"},
]

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@st.composite
def damaged(draw: st.DrawFn, frames: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Return a frame in which a few members, at any depth, are gone or something else."""
    frame: dict[str, Any] = json.loads(json.dumps(draw(frames)))
    for _ in range(draw(st.integers(1, 3))):
        container, key = draw(st.sampled_from([*places(frame), (frame, "new")]))
        if key == "new" or draw(st.booleans()):
            container[key] = draw(JSON)
        else:
            container.pop(key)
    return frame


def places(value: Any) -> Any:
    """Yield every place in nested data as its container and key."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from places(item)


def check_event(data: bytes) -> None:
    event = decode_event(data)
    assert isinstance(event, (Event, Position, *get_args(Reply)))
    again = decode_event(encode(event))
    assert type(again) is type(event)


def check_command(data: bytes) -> None:
    command = decode_command(memoryview(data))
    assert isinstance(command, get_args(Command))
    assert command.id is None or command.id >= 0
    if isinstance(command, PingCommand):
        assert json.loads(command.pong())["type"] == "pong"


@given(st.binary())
def test_random_bytes(data: bytes) -> None:
    check_event(data)
    check_command(data)


@given(st.text(st.characters()))
def test_random_text(text: str) -> None:
    """Also text that UTF-8 cannot hold."""
    assert isinstance(decode_event(text), Event)


@given(JSON)
def test_random_json(value: object) -> None:
    check_event(json.dumps(value).encode())
    check_command(json.dumps(value).encode())


@settings(max_examples=300)
@given(damaged(st.sampled_from(FRAMES)))
def test_damaged_events(frame: dict[str, Any]) -> None:
    check_event(json.dumps(frame).encode())


@settings(max_examples=200)
@given(damaged(st.sampled_from(COMMANDS)))
def test_damaged_commands(frame: dict[str, Any]) -> None:
    check_command(json.dumps(frame).encode())


@given(st.sampled_from(FRAMES + COMMANDS), st.data())
def test_frames_cut_short_or_with_a_byte_changed(frame: dict[str, Any], data: st.DataObject) -> None:
    whole = bytearray(json.dumps(frame).encode())
    place = data.draw(st.integers(0, len(whole) - 1))
    check_event(bytes(whole[:place]))
    check_command(bytes(whole[:place]))
    whole[place] = data.draw(st.integers(0, 255))
    check_event(bytes(whole))
    check_command(bytes(whole))
