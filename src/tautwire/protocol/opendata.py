"""JSON whose shape we leave open: blocks, attachments, icons, preferences.

Such members are checked for being JSON and then carried as the bytes they came in, which costs next to nothing to
decode and to send on. ``to_python`` reads one, ``from_python`` makes one.
"""

from contextlib import suppress
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from tautwire.protocol import lenient

OpenData: TypeAlias = msgspec.Raw | msgspec.UnsetType
"""The bytes of a JSON value, or ``UNSET`` where the member is absent. Its default is ``UNSET``."""

__all__ = ["UNSET", "OpenData", "from_python", "to_python"]


def to_python(data: OpenData) -> Any:
    """Return open data as dicts, lists, strings, numbers, booleans or None. An absent member reads as None.

    Half surrogates and bytes that are no UTF-8 read as U+FFFD, as in the texts of an event.

    Raises:
        DecodeError: it is no JSON, or holds a number beyond 64 bits.
    """
    if data is UNSET:
        return None
    try:
        return msgspec.json.decode(data)
    except lenient.UNREADABLE as error:
        first = error
    for each in lenient.mended(bytes(data)):
        with suppress(*lenient.UNREADABLE):
            return msgspec.json.decode(each)
    raise first


def from_python(value: object) -> msgspec.Raw:
    """Return a JSON-like Python value as open data, to be put into an event or object.

    Raises:
        TypeError: the value is of a type JSON has no word for.
    """
    return msgspec.Raw(msgspec.json.encode(value))
