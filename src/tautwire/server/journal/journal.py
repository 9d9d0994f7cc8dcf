"""The ring of entries, bounded in bytes. Writing never waits: the oldest entries go when there is no room.

A reader has no queue. It asks for the entries behind a number, as fast as it can, and gets the number of those that the
ring has lost meanwhile.
"""

import secrets
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from tautwire.server.clock import Clock
from tautwire.server.journal.entry import Entry, Line, Origin
from tautwire.server.wakeup import Wakeup

MAX_BYTES: Final = 4 * 1_048_576
"""Bytes of the entries that are kept."""
MAX_PAGE: Final = 50
"""Entries that are read in one turn of the loop."""
NOTHING: Final[Mapping[str, Any]] = {}


class Page(NamedTuple):
    """What a reader gets."""

    entries: list[Entry]
    dropped: int
    """Entries before these that the reader did not ask for in time."""


class Journal:
    """The journal of one workspace.

    Args:
        clock: gives the entries their time.
        limit: bytes of the entries that are kept.
    """

    def __init__(self, clock: Clock, limit: int = MAX_BYTES) -> None:
        self.run = secrets.token_hex(4)
        """Names this run of the server: numbers begin anew with each."""
        self.last = 0
        """The number of the newest entry; 0 before the first."""
        self.news = Wakeup()
        self.watchers = 0
        """Live readers; the door counts and bounds them."""
        self.size = 0
        """Bytes of the entries that are kept."""
        self._clock = clock
        self._limit = limit
        self._entries: deque[Entry] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def mark(self) -> str:
        """The id of the newest entry."""
        return self.mark_of(self.last)

    def mark_of(self, number: int) -> str:
        """Return the id of the entry with a number."""
        return f"{self.run}.{number}"

    def find(self, mark: str) -> int | None:
        """Return the number of an id; None if it is no id of this run."""
        run, _, number = mark.partition(".")
        if run != self.run or not (number.isascii() and number.isdecimal() and len(number) < 20):
            return None
        return int(number) if int(number) <= self.last else None

    def note(
        self,
        kind: str,
        origin: Origin,
        details: Mapping[str, Any] = NOTHING,
        **parts: bytes,
    ) -> None:
        """Add an entry."""
        self.last += 1
        entry = Entry(self.last, self._clock.micros(), kind, origin, details, parts)
        self._entries.append(entry)
        self.size += entry.size
        if self.size > self._limit:
            self._make_room()
        self.news.wake()

    def read(self, after: int) -> Page:
        """Return the next entries behind a number."""
        entries = self._entries
        if after >= self.last or not entries:
            return Page([], 0)
        oldest = entries[0].number
        begin = max(0, after + 1 - oldest)
        return Page([*islice(entries, begin, begin + MAX_PAGE)], max(0, oldest - after - 1))

    def line(self, entry: Entry) -> Line:
        """Return the line of an entry."""
        before, was_read = entry.size, entry.is_read
        line = entry.line(self.run)
        if not was_read and self._entries and entry.number >= self._entries[0].number:
            self.size += entry.size - before
            self._make_room()
        return line

    def close(self) -> None:
        """End all that wait for entries."""
        self.news.close()

    def _make_room(self) -> None:
        while self.size > self._limit and len(self._entries) > 1:
            self.size -= self._entries.popleft().size
