"""The event classes and the table of all events (tests/data/events.json) are held together, both ways."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect as shapes

from tautwire.protocol import codec, events
from tautwire.protocol.events import CATALOGUE, Event
from tautwire.protocol.frames import Ack, Pong

DATA = Path(__file__).parent.parent / "data"
ROWS: list[dict[str, Any]] = json.loads((DATA / "events.json").read_text())
REPLIES = {"pong": Pong, "(ack)": Ack}
EVENT_ROWS = [row for row in ROWS if row["type"] not in REPLIES]

FULL_VALUES: dict[str, Any] = {
    "string": "text",
    "ts": "1700000010.000100",
    "integer": 7,
    "boolean": True,
    "any": {"open": [1, None]},
    "array<string>": ["text"],
}
"""A value for each word of the table; open objects get their own."""

TYPED_OBJECTS: dict[str, Any] = {
    "edited": {"ts": "1700000010.000100"},
    "files": [{"id": "F1"}],
    "file": {"id": "F1"},
    "reactions": [{"name": "owl"}],
    "bot_profile": {"id": "B1"},
    "user_profile": {"name": "ada"},
    "previous_message": {"ts": "1700000010.000100"},
}
"""Values for the optional members that are typed objects."""


def name_of(row: dict[str, Any]) -> str:
    return f"{row['type']}/{row['subtype']}" if row["subtype"] else str(row["type"])


def class_of(row: dict[str, Any]) -> type[Event]:
    return CATALOGUE[row["type"], row["subtype"]]


def listed(cls: type[Event]) -> dict[str, msgspec.structs.FieldInfo]:
    """Return the fields of a class as the table lists them: by wire name, without the constant subtype."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(cls)}
    if cls.TYPE != "activity":
        fields.pop("subtype", None)
    return fields


def kind_of(shape: shapes.Type) -> str:
    """Return the word the table uses for a type."""
    match shape:
        case shapes.UnionType(types):
            rest = [kind_of(t) for t in types if not isinstance(t, shapes.NoneType)]
            return "any" if "any" in rest else rest[0]
        case shapes.StrType():
            return "string"
        case shapes.IntType():
            return "integer"
        case shapes.BoolType():
            return "boolean"
        case shapes.StructType():
            return "object"
        case shapes.ListType(item):
            return f"array<{kind_of(item)}>"
        case _:
            return "any"


def full_frame(row: dict[str, Any]) -> dict[str, Any]:
    """Return a frame with every member the table lists for a row."""
    frame = {"type": row["type"]} | ({"subtype": row["subtype"]} if row["subtype"] else {})
    for name, kind in row["fields"].items():
        values = {**FULL_VALUES, **TYPED_OBJECTS, **row["example"]}
        frame[name] = values.get(name, values.get(kind.removesuffix("?"), [{"open": 1}]))
    return frame


def test_every_row_has_a_class_and_every_class_a_row() -> None:
    """157 rows: two are replies, the others are the catalogue."""
    assert len(ROWS) == 157
    assert {(row["type"], row["subtype"]) for row in EVENT_ROWS} == set(CATALOGUE)


@pytest.mark.parametrize("row", EVENT_ROWS, ids=name_of)
def test_fields_and_their_optionality_are_those_of_the_table(row: dict[str, Any]) -> None:
    """A field has no default, or one that is always written, exactly where the table says it is always there."""
    fields = listed(class_of(row))
    always = {name: field.required or field.default_factory is not msgspec.NODEFAULT for name, field in fields.items()}
    assert always == {name: not kind.endswith("?") for name, kind in row["fields"].items()}


@pytest.mark.parametrize("row", EVENT_ROWS, ids=name_of)
def test_types_are_those_of_the_table(row: dict[str, Any]) -> None:
    """Objects and lists of objects may be typed or open; everything else says exactly what the table says."""
    cls = class_of(row)
    info = shapes.type_info(cls)
    assert isinstance(info, shapes.StructType)
    kinds = {field.encode_name: kind_of(field.type) for field in info.fields}
    for name, kind in row["fields"].items():
        expected = "string" if kind.startswith("ts") else kind.removesuffix("?")
        assert kinds[name] == expected or (kinds[name] == "any" and "object" in expected), name


@pytest.mark.parametrize("row", EVENT_ROWS, ids=name_of)
def test_timestamps_are_typed_as_such(row: dict[str, Any]) -> None:
    """What the table calls a timestamp is a ``Ts`` in the class, and nothing else is."""
    annotations = {
        field.encode_name: str(inspect.get_annotations(base).get(field.name, ""))
        for base in reversed(class_of(row).__mro__)
        if issubclass(base, Event)
        for field in msgspec.structs.fields(base)
        if field.name in inspect.get_annotations(base)
    }
    assert {name for name, text in annotations.items() if re.search(r"\bTs\b", text)} == {
        name for name, kind in row["fields"].items() if kind.startswith("ts")
    }


@pytest.mark.parametrize("row", EVENT_ROWS, ids=name_of)
def test_the_example_survives_decoding_and_encoding(row: dict[str, Any]) -> None:
    """The example becomes its class, and the class writes the same members; a null is the same as absence."""
    frame = row["example"]
    event = codec.decode_event(json.dumps(frame))
    assert type(event) is class_of(row)
    assert json.loads(codec.encode(event)) == without_nulls(frame)


@pytest.mark.parametrize("row", EVENT_ROWS, ids=name_of)
def test_a_frame_with_every_member_survives_too(row: dict[str, Any]) -> None:
    """No field is lost by a wrong name or type."""
    frame = full_frame(row)
    event = codec.decode_event(json.dumps(frame))
    assert type(event) is class_of(row)
    assert json.loads(codec.encode(event)) == without_nulls(frame)


@pytest.mark.parametrize("row", EVENT_ROWS, ids=name_of)
def test_without_a_needed_member_the_event_is_read_all_the_same(row: dict[str, Any]) -> None:
    """Each member the table calls always there is missed by the strict reading, and is empty in the event."""
    for name, field in listed(class_of(row)).items():
        if field.required:
            raw = json.dumps({key: value for key, value in row["example"].items() if key != name})
            with pytest.raises(msgspec.ValidationError, match=f"`{name}`"):
                msgspec.json.decode(raw, type=class_of(row))
            event = codec.decode_event(raw)
            assert type(event) is class_of(row), name
            empty = getattr(event, field.name)
            assert not empty or empty is msgspec.UNSET or isinstance(empty, msgspec.Struct), name


@pytest.mark.parametrize("row", [row for row in ROWS if row["type"] in REPLIES], ids=name_of)
def test_replies_are_no_events(row: dict[str, Any]) -> None:
    """The two rows that answer a frame have classes among the frames."""
    reply = codec.decode_event(json.dumps(row["example"]))
    assert type(reply) is REPLIES[row["type"]]
    assert json.loads(codec.encode(reply)) == row["example"]


@pytest.mark.parametrize("cls", CATALOGUE.values(), ids=lambda cls: cls.__name__)
def test_every_class_is_frozen_named_by_rule_and_documented(cls: type[Event]) -> None:
    """The name follows from type and subtype; the docstring tells when, and where the knowledge comes from."""
    words = cls.TYPE.split("_")
    if cls.SUBTYPE is not None:
        words += re.sub(r"^message_|_message$", "", cls.SUBTYPE).split("_")
    assert cls.__name__ == "".join(word.capitalize() for word in words) + "Event"
    config = cls.__struct_config__
    assert config.frozen
    assert config.omit_defaults
    assert "Source: " in (cls.__doc__ or "")
    assert getattr(events, cls.__name__) is cls
    assert cls.__name__ in events.__all__


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value
