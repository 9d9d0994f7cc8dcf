"""Long texts in pieces that fit into messages."""

import re
from collections.abc import Iterator
from typing import Final

MAX_LENGTH: Final = 4_000
"""Code points of a message text. Source: wire/limits.md#text-length (documented as the client's duty)."""

_UNITS: Final = re.compile(r"<[^<>]*>|&(?:amp|lt|gt);|\n+|[^\S\n]+|[^\s<&]+|.", re.DOTALL)
"""What is not taken apart: a sequence in angle brackets, an entity, a run of line ends, spaces, a word."""


def split(text: str, limit: int = MAX_LENGTH) -> list[str]:
    """Split a text into pieces of at most ``limit`` code points, in order.

    It is split at the last empty line that is in the second half of a piece, else at the last line end there, else at
    the last space; the line ends or spaces at the place go. A mention, link or entity is never taken apart, a word only
    if it is longer than ``limit``. An empty text, or one of white space, gives no piece.

    Args:
        text: stored (escaped) text, as ``say`` takes it.
        limit: code points of one piece.

    Raises:
        ValueError: the limit is less than 1, or a mention, link or entity is longer than it.
    """
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, got {limit}")
    pieces: list[str] = []
    units: list[str] = []
    length = 0
    for unit in _fitting(text, limit):
        while units and length + len(unit) > limit and not unit.isspace():
            at = _place(units, limit)
            pieces.append("".join(units[:at]))
            while at < len(units) and units[at].isspace():
                at += 1
            units = units[at:]
            length = sum(map(len, units))
        units.append(unit)
        length += len(unit)
    pieces.append("".join(units))
    return [each.strip() for each in pieces if each.strip()]


def _fitting(text: str, limit: int) -> Iterator[str]:
    """Yield the units of a text, a word that is too long in parts."""
    for unit in _UNITS.findall(text):
        if len(unit) <= limit or unit.isspace():
            yield unit
        elif unit.startswith(("<", "&")) and unit.endswith((">", ";")):
            raise ValueError(f"a mention, link or entity of {len(unit)} characters does not fit into {limit}")
        else:
            yield from (unit[start : start + limit] for start in range(0, len(unit), limit))


def _place(units: list[str], limit: int) -> int:
    """Return before which unit a piece ends."""
    found, best, length = len(units), 0, 0
    for at, unit in enumerate(units):
        if unit.isspace() and 0 < length <= limit:
            rank = 3 if unit.startswith("\n\n") else 2 if unit.startswith("\n") else 1
            if length * 2 < limit:
                rank = min(rank, 1)
            if rank >= best:
                found, best = at, rank
        length += len(unit)
    return found
