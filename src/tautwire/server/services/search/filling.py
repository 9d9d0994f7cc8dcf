"""Enters messages into the index, in the background. A post does nothing for the search.

The log has an entry for each new message, and positions grow in the order of commits. So a position of the log, stored
with the index, says which messages are entered: new ones are always behind it, whatever their channel and ts are. An
edit enters its message itself, since the log does not refer to that message any more (``services.search.entries``).

Messages of which the log may have no entry are entered by channel and time: those of an earlier version, of a backup,
and those whose entries have been deleted meanwhile.

A unit enters some messages, and shares the writer's thread with posts. In the background units run while no messages
come, or, if there are many to enter, while no change waits. A search waits for what the log has at that moment: then
units and posts take turns.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from tautwire.server.log.entry import Entry
from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.services.search.entries import add_entry
from tautwire.server.store.engine import Row, StoreError
from tautwire.server.store.queries.search import (
    Fill,
    Key,
    begin_fill,
    find_fill,
    measure_logged,
    measure_messages,
    read_logged,
    read_messages,
    set_older,
    set_position,
)
from tautwire.server.store.reader import Reader

T = TypeVar("T")

log = logging.getLogger("tautwire.server.search")

MAX_MESSAGES: Final = 100
MAX_BYTES: Final = 262_144
"""Messages and bytes of a unit: about ten milliseconds of the writer's time."""
DELAY: Final = 1.0
"""Seconds from a new message until it is entered in the background: those that come meanwhile share its unit."""
PAUSE: Final = 0.02
"""Seconds between two units in the background. No message comes in this time, unless much is to do."""
MAX_BEHIND: Final = 5_000
"""Entries of the log, about a second's work, from which on every moment is used in which no change waits."""
RETRY: Final = 60.0
"""Seconds until the next try after an error."""
PATIENCE: Final = 5.0
"""Seconds that a search waits at most."""


class Filling:
    """Enters the messages of a workspace."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self._has_news = asyncio.Event()
        self._turn = asyncio.Lock()  # one unit at a time, however many searches wait

    def follow(self, entries: Sequence[Entry]) -> None:
        """Notice new messages; a reader of the feed."""
        if not self._has_news.is_set() and any(entry.message for entry in entries):
            self._has_news.set()

    async def run(self) -> None:
        """Enter messages until cancelled."""
        while True:
            self._has_news.clear()
            try:
                await self._fill()
            except StoreError as error:
                log.warning("messages are not entered into the search for now: %s", error)
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("messages are not entered into the search for now")
                await asyncio.sleep(RETRY)
            else:
                await self._has_news.wait()
                await asyncio.sleep(DELAY)

    async def catch_up(self, patience: float = PATIENCE) -> bool:
        """Enter all messages that the log has now; return whether that succeeds within ``patience`` seconds.

        If not, a search finds what is entered so far. The reason is logged.
        """
        goal: int | None = None
        try:
            async with asyncio.timeout(patience):
                while (fill := await self._advance(goal)) is not None:
                    goal = fill.head if goal is None else goal
        except TimeoutError:
            log.warning("a search does not find all messages: they are still being entered")
            return False
        except StoreError as error:
            log.warning("a search may not find the newest messages: %s", error)
            return False
        except Exception:
            log.exception("a search may not find the newest messages")
            return False
        return True

    async def _fill(self) -> None:
        """Enter messages while there is nothing else to do, until all are entered."""
        while (fill := await self._advance(None)) is not None:
            # Posts in large batches leave moments in which none waits. These are used only if much is to do.
            is_pressed = fill.older is not None or fill.head - fill.position > MAX_BEHIND
            is_quiet = False
            while not is_quiet:
                self._has_news.clear()
                await asyncio.sleep(PAUSE)
                is_quiet = not self._writer.waiting and (is_pressed or not self._has_news.is_set())

    async def _advance(self, goal: int | None) -> Fill | None:
        """Enter the next messages; return how far they were entered before, None if that was up to ``goal``.

        Without a goal, it is the head of the log.
        """
        async with self._turn:
            fill = await self._reader.read(find_fill)
            if fill.reaches(fill.head if goal is None else goal):
                return None
            if await self._writer.write(_enter):
                log.info("all older messages are entered into the search")
            return fill


def _enter(tx: Transaction) -> bool:
    """Enter the next messages, those of the log first (a unit); return whether these were the last older ones."""
    fill = find_fill(tx)
    if fill.position < fill.head:
        _enter_logged(tx, fill.position)
        return False
    if fill.older is None:
        return False
    last = _end([(Key(ts, channel), size) for channel, ts, size in measure_messages(tx, fill.older, MAX_MESSAGES)])
    if last is not None:
        _add(tx, read_messages(tx, fill.older, last))
    set_older(tx, last)
    return last is None


def _enter_logged(tx: Transaction, position: int) -> None:
    page = [(place, size) for place, size in measure_logged(tx, position, MAX_MESSAGES)]
    last = _end(page)
    if last is None or page[0][0] != position + 1:
        log.info("the log has no entry %d any more: all messages are looked at for the search", position + 1)
        begin_fill(tx)
        return
    _add(tx, read_logged(tx, position, last))
    set_position(tx, last)


def _end(page: Sequence[tuple[T, int]]) -> T | None:
    """Return the last place of a page of places with their bytes, up to the bytes of a unit; None if it is empty."""
    end, total = None, 0
    for place, size in page:
        total += size
        if end is not None and total > MAX_BYTES:
            break
        end = place
    return end


def _add(tx: Transaction, rows: Sequence[Row]) -> None:
    for row in rows:
        add_entry(tx, row["channel"], row["ts"], row["user_id"], msgspec.json.decode(row["body"]))
