"""Long JSON arrays: read and encoded slice by slice in a reader's thread, and kept in pieces until they are sent.

A thread that encodes ten thousand users without a pause holds Python's lock, and the messages of all connections wait.
So the thread pauses after each slice, and the loop gets bytes that it only has to write.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")

SLICE: Final = 200
"""Elements read and encoded between two pauses."""
PAUSE: Final = 20e-6
"""Seconds of a pause. With 0 the thread would take the lock again before a waiting thread wakes up."""


class Array:
    """An encoded JSON array: the bytes between its brackets, in pieces."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def extend(self, elements: Sequence[bytes]) -> None:
        """Append encoded elements as one piece; one item may hold several elements, separated by commas."""
        if elements:
            self.pieces.append(b",".join((b"", *elements) if self.pieces else elements))


class Page(NamedTuple):
    """A page of a long list, and the key of its last element if another page follows."""

    items: Array
    last: str | None


Find = Callable[[str, int], Sequence[T]]
"""``find(after, count)`` returns at most ``count`` elements behind the key ``after``, in the order of keys."""


def read_page(
    find: Find[T], encode: Callable[[Sequence[T]], Sequence[bytes]], key: Callable[[T], str], *, after: str, limit: int
) -> Page:
    """Read ``limit`` elements behind the key ``after``; 0 for all of them.

    The place in the list is a key and not a number: elements added or removed between two pages shift nothing.
    """
    items, count = Array(), 0
    while True:
        size = min(SLICE, limit - count) if limit else SLICE
        found = find(after, size + 1)
        part = found[:size]
        if part:
            items.extend(encode(part))
            after, count = key(part[-1]), count + len(part)
        if len(found) <= size:
            return Page(items, None)
        if count == limit:
            return Page(items, after)
        time.sleep(PAUSE)


def slices(find: Find[T], key: Callable[[T], str]) -> Iterator[Sequence[T]]:
    """Yield all elements of a list in slices."""
    part = find("", SLICE)
    while part:
        yield part
        time.sleep(PAUSE)
        part = find(key(part[-1]), SLICE)
