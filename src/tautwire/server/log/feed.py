"""The only way from the log to its readers on this node: hub, caches, observers, later the apps.

Guarantees. Every reader gets every entry once, in the order of the log, without holes. All readers get an entry in the
same turn of the loop, in the order in which they were added: so a connection that opens finds tail and hub at the same
position. A reader that raises is logged and costs the others nothing.

The feed compares the position of what it is given with its own. What it has delivered already is left out. If entries
are missing in between, it holds back what came, reads the missing ones from the store, and goes on from there. It does
not matter why they are missing.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tautwire.server.log.entry import Entry
from tautwire.server.log.tail import Tail

log = logging.getLogger("tautwire.server.log")

Reader = Callable[[Sequence[Entry]], None]
"""Called on the loop with new entries, in order and without holes. It must not await, and should not raise."""

ReadMissing = Callable[[int, int], Awaitable[Sequence[Entry]]]
"""``read(after, before)`` returns the entries between two positions, or the first of them. It raises if there are
none."""

MAX_HELD: Final = 4 * 2**20
"""Bytes of entries that are held back behind a hole. More are dropped: they are stored, and are read like the hole."""
RETRY_PAUSE: Final = 1.0
"""Seconds until missing entries are read again after the store could not be read."""


class Feed:
    """Hands the entries of the log to its readers.

    Args:
        tail: gets the entries first; its position is the feed's.
        read_missing: reads entries from the store.
    """

    def __init__(self, tail: Tail, read_missing: ReadMissing) -> None:
        self._tail = tail
        self._read_missing = read_missing
        self._readers: list[Reader] = []
        self._held: deque[Entry] = deque()
        """What came behind a hole, in order; at most ``MAX_HELD`` bytes."""
        self._held_bytes = 0
        self._target = 0
        """The last position that is known to be committed while a hole is read."""
        self._filling: asyncio.Task[None] | None = None

    @property
    def position(self) -> int:
        """The position up to which every reader has all entries."""
        return self._tail.position

    def add(self, reader: Reader) -> None:
        """Call ``reader`` with all entries from now on."""
        self._readers.append(reader)

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Hand committed entries to the readers, at once unless some before them are missing."""
        position = self._tail.position
        if self._filling is None and entries and entries[0].position == position + 1:  # nearly always
            self._hand_out(entries)
            return
        fresh = [entry for entry in entries if entry.position > position]
        if not fresh:
            return
        if self._filling is None and fresh[0].position == position + 1:
            self._hand_out(fresh)
            return
        self._hold(fresh)
        if self._filling is None:
            log.warning("entries %d to %d of the log are read from the store", position + 1, fresh[0].position - 1)
            self._filling = asyncio.get_running_loop().create_task(self._fill())

    async def stop(self) -> None:
        """Stop reading missing entries."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    def _hand_out(self, entries: Sequence[Entry]) -> None:
        self._tail.extend(entries)
        for reader in self._readers:
            try:
                reader(entries)
            except Exception:
                log.exception(
                    "a reader of the log raised at entries %d to %d; the others go on",
                    entries[0].position,
                    entries[-1].position,
                )

    def _hold(self, entries: Sequence[Entry]) -> None:
        self._held.extend(entries)
        self._held_bytes += sum(len(entry.payload) for entry in entries)
        self._target = max(self._target, entries[-1].position)
        if self._held_bytes > MAX_HELD:
            self._forget_held()

    def _forget_held(self) -> None:
        self._held.clear()
        self._held_bytes = 0

    async def _fill(self) -> None:
        """Read what is missing, page by page, until all entries that are known to be committed are handed out."""
        held = self._held
        while self._tail.position < self._target:
            position = self._tail.position
            run: list[Entry] = []
            while held and held[0].position <= position + len(run) + 1:
                entry = held.popleft()
                self._held_bytes -= len(entry.payload)
                if entry.position == position + len(run) + 1:  # else it is here already
                    run.append(entry)
            if run:
                self._hand_out(run)
                continue
            before = held[0].position if held else self._target + 1
            try:
                self._hand_out(await self._read_missing(position, before))
            except Exception:
                log.exception("the log cannot be read from entry %d on; trying again", position + 1)
                await asyncio.sleep(RETRY_PAUSE)
        self._forget_held()  # copies of what was handed out may be left
        self._filling = None
