"""The shapes of which the table consists. Limits are inclusive. Source: wire/block-kit.md#blocks (documented)."""

from collections.abc import Mapping
from typing import Final

import msgspec


class Text(msgspec.Struct, frozen=True):
    """A string of ``low`` to ``high`` code points; ``pattern`` is a regular expression for the whole of it."""

    high: int | None = None
    low: int = 0
    pattern: str = ""


class Number(msgspec.Struct, frozen=True):
    """A number from ``low`` to ``high``."""

    low: int | None = None
    high: int | None = None
    is_integer: bool = True


class Flag(msgspec.Struct, frozen=True):
    """A boolean."""


class Choice(msgspec.Struct, frozen=True):
    """One of some strings or integers."""

    values: tuple[str | int, ...]


class Anything(msgspec.Struct, frozen=True):
    """A value whose inside is not checked: the documentation does not say enough about it."""


class Items(msgspec.Struct, frozen=True):
    """An array of ``low`` to ``high`` values of one shape; with ``has_null`` a place may be empty."""

    each: "Shape"
    high: int | None = None
    low: int = 0
    has_null: bool = False


class Object(msgspec.Struct, frozen=True):
    """An object.

    Args:
        required: members that must be there, with their shapes.
        optional: the others.
        exactly_one: optional members of which one must be there, and not more.
        at_least_one: optional members of which one must be there.
        is_open: whether members of other names are accepted.
    """

    required: Mapping[str, "Shape"] = {}
    optional: Mapping[str, "Shape"] = {}
    exactly_one: tuple[str, ...] = ()
    at_least_one: tuple[str, ...] = ()
    is_open: bool = False


class Kinds(msgspec.Struct, frozen=True):
    """An object of one of several kinds; its ``type`` names the kind."""

    kinds: Mapping[str, Object]


Shape = Text | Number | Flag | Choice | Anything | Items | Object | Kinds

ANYTHING: Final = Anything()
FLAG: Final = Flag()
ANY_TEXT: Final = Text()
