"""JSON of callers: decoded, and refused if it is nested too deeply.

What is stored is wrapped by events and by answers, and read again by this server and by clients. A value that one
reader can just decode is too deep for the next, so the limit is far below that of every reader, at every door.
"""

import re
from itertools import accumulate
from typing import Any, Final

import msgspec

MAX_DEPTH: Final = 100
"""Levels of lists and objects (ours): far below the depth at which JSON readers of clients fail."""

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OTHERS: Final = bytes(each for each in range(256) if each not in b"[]{}")
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_FLAT: Final = 4
"""Levels that are taken away first, which is faster than to count them."""
_NUMBERS: Final = bytes.maketrans(b"[]", b"\1\0")
_STEPS: Final = (-1, 1)


def decode(text: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is not valid, or deeper than ``MAX_DEPTH``.
    """
    data = text.encode() if isinstance(text, str) else text
    try:
        value = msgspec.json.decode(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if is_deep(data):
        raise ValueError("nested too deeply")
    return value


def is_deep(data: bytes) -> bool:
    """Whether valid JSON is deeper than ``MAX_DEPTH``.

    Counted in its brackets: to walk through the values of a megabyte takes the loop half a second.
    """
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _STRING.sub(b"", data).translate(_ALIKE, _OTHERS)
    for _ in range(_FLAT):
        brackets = brackets.replace(b"[]", b"")  # the innermost level: of most texts, soon all of them
    steps = map(_STEPS.__getitem__, brackets.translate(_NUMBERS))
    return max(accumulate(steps), default=0) > MAX_DEPTH - _FLAT
