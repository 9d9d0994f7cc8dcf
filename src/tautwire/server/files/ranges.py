"""The header Range: which bytes of a file are wanted. Source: RFC 9110 section 14."""

import re
from typing import Final, NamedTuple

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class Span(NamedTuple):
    """Bytes from ``first`` to ``last``, both included; none if ``last`` is before ``first``."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return max(0, self.last - self.first + 1)


class UnsatisfiableError(Exception):
    """The file has no such bytes."""


def read_range(header: str | None, size: int) -> Span | None:
    """Return the wanted part of a file of ``size`` bytes, None if all of it is: without a header, with an odd one, or
    with several ranges.

    Raises:
        UnsatisfiableError: the file ends before the part begins.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        count = min(int(match[2]), size)
        if not count:
            raise UnsatisfiableError
        return Span(size - count, size - 1)
    first, last = int(match[1]), min(int(match[2]) if match[2] else size - 1, size - 1)
    if first >= size:
        raise UnsatisfiableError
    if match[2] and int(match[2]) < first:
        return None
    return Span(first, last)
