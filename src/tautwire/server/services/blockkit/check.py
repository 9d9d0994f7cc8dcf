"""The comparison of a value with a shape: every fault, in the words of the real service, with its place.

It goes down as far as a shape goes, and no shape contains itself: the depth of a value does not matter.
Source: wire/block-kit.md#validation-errors (captured).
"""

import re
from typing import Any, Final

from tautwire.server.services.blockkit.shapes import (
    Anything,
    Choice,
    Flag,
    Items,
    Kinds,
    Number,
    Object,
    Shape,
    Text,
)

MAX_FAULTS: Final = 100
"""Faults that are reported (ours)."""
MAX_VALUES: Final = 50_000
"""Values that are looked at (ours): a message in 200,000 bytes of JSON has fewer of those that the table knows."""
_QUOTED: Final = 100
"""Code points of a name that a fault quotes."""


class Stop(Exception):  # noqa: N818 - an outcome
    """The bound of faults or values is reached."""


class Check:
    """The faults of one value.

    Args:
        place: the member names and indexes from the argument down to the value, as in a JSON pointer.
    """

    def __init__(self, *place: str | int) -> None:
        self.faults: list[str] = []
        self._place: list[str | int] = list(place)
        self._values = 0

    def fault(self, message: str, *below: str | int) -> None:
        """Add a fault at the place ``below`` the present one; raise ``Stop`` if there are too many."""
        pointer = "".join(f"/{part}" for part in (*self._place, *below))
        self.faults.append(f"{message} [json-pointer:{pointer}]")
        if len(self.faults) >= MAX_FAULTS:
            raise Stop

    def enter(self, name: str) -> None:
        """Go down to a member of the present value, for good."""
        self._place.append(name)

    def member(self, name: str | int, shape: Shape, value: Any) -> None:
        """Check a part of the present value."""
        self._place.append(name)
        self.value(shape, value)
        self._place.pop()

    def value(self, shape: Shape, value: Any) -> None:
        """Check a value; raise ``Stop`` at a bound."""
        self._values += 1
        if self._values > MAX_VALUES:
            self.fault(f"no more than {MAX_VALUES} values allowed")
            raise Stop
        match shape:
            case Text():
                self._text(shape, value)
            case Number():
                self._number(shape, value)
            case Flag():
                if not isinstance(value, bool):
                    self.fault("must be a boolean")
            case Choice():
                if isinstance(value, bool | list | dict) or value not in shape.values:
                    self.fault("must be a valid enum value")
            case Items():
                self._items(shape, value)
            case Object():
                self._object(shape, value)
            case Kinds():
                self._kind(shape, value)
            case Anything():
                pass

    def _text(self, shape: Text, value: Any) -> None:
        if not isinstance(value, str):
            self.fault("must provide a string")
        elif shape.high is not None and len(value) > shape.high:
            self.fault(f"must be less than {shape.high + 1} characters")
        elif len(value) < shape.low:
            self.fault(f"must be more than {shape.low - 1} characters")
        elif shape.pattern and not re.fullmatch(shape.pattern, value):
            self.fault(f"input must match regex pattern: {shape.pattern}")

    def _number(self, shape: Number, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int if shape.is_integer else int | float):
            self.fault("must provide an integer" if shape.is_integer else "must provide a number")
        elif shape.low is not None and value < shape.low:
            self.fault(f"must be greater than {shape.low - 1}")
        elif shape.high is not None and value > shape.high:
            self.fault(f"must be less than {shape.high + 1}")

    def _items(self, shape: Items, value: Any) -> None:
        if not isinstance(value, list):
            self.fault("must provide an array")
            return
        if shape.high is not None and len(value) > shape.high:
            self.fault(f"no more than {shape.high} items allowed")
        if len(value) < shape.low:
            self.fault(f"must provide at least {shape.low} items")
        for index, each in enumerate(value[: shape.high]):
            if each is not None or not shape.has_null:
                self.member(index, shape.each, each)

    def _kind(self, shape: Kinds, value: Any) -> None:
        if not isinstance(value, dict):
            self.fault("must provide an object")
            return
        kind = value.get("type")
        if kind is None:
            self.fault("missing required field: type")
        elif not isinstance(kind, str):
            self.fault("must provide a string", "type")
        elif kind not in shape.kinds:
            self.fault(f"unsupported type: {quoted(kind)}", "type")
        else:
            self._members(shape.kinds[kind], value, "type")

    def _object(self, shape: Object, value: Any) -> None:
        if isinstance(value, dict):
            self._members(shape, value)
        else:
            self.fault("must provide an object")

    def _members(self, shape: Object, value: dict[str, Any], *known: str) -> None:
        """Check the members of an object; null counts as absent (ours: it is not known what the service does)."""
        for name in shape.required:
            if value.get(name) is None:
                self.fault(f"missing required field: {name}")
        if shape.at_least_one and all(value.get(name) is None for name in shape.at_least_one):
            self.fault(f"must define either {' or '.join(f'`{name}`' for name in shape.at_least_one)}")
        if shape.exactly_one:
            there = sum(value.get(name) is not None for name in shape.exactly_one)
            if not there:
                self.fault(f"missing required field: {shape.exactly_one[0]}")
            elif there > 1:
                self.fault("failed to match exactly one allowed schema")
        for name, member in value.items():
            inside = shape.required.get(name) or shape.optional.get(name)
            if inside is None:
                if not shape.is_open and name not in known:
                    self.fault(f"invalid additional property: {quoted(name)}")
            elif member is not None:
                self.member(name, inside, member)


def quoted(name: str) -> str:
    """Return a name of the sender for a fault: cut, and without what JSON cannot hold."""
    return name[:_QUOTED].encode("utf-8", "replace").decode()
