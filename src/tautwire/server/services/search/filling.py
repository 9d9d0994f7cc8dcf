"""Enters messages into the index that are older than it: of a database of an earlier version, or of a backup.

The server is ready meanwhile, and a search finds what is entered so far. Messages are entered in small units that share
the writer's thread with posts, and only while no other change waits. How far it came is stored with them, so a restart
goes on where it ended.
"""

import asyncio
import logging
from typing import Final

import msgspec

from tautwire.server.log.transaction import Transaction
from tautwire.server.log.writer import Writer
from tautwire.server.services.search.entries import entry_of
from tautwire.server.store.engine import Query, StoreError
from tautwire.server.store.queries.search import (
    SEARCH_ENTRY,
    Key,
    end_fill,
    find_entered,
    find_fill,
    measure_messages,
    read_messages,
    set_fill,
)
from tautwire.server.store.reader import Reader

log = logging.getLogger("tautwire.server.search")

MAX_MESSAGES: Final = 100
MAX_BYTES: Final = 262_144
"""Messages and bytes of a unit: about ten milliseconds of the writer's time."""
PAUSE: Final = 0.005
"""Seconds between two units."""
RETRY: Final = 60.0
"""Seconds until the next try after an error."""


class Filling:
    """Enters the older messages of a workspace.

    Attributes:
        is_done: whether all messages are entered, as far as it has looked.
    """

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader
        self.is_done = asyncio.Event()

    async def run(self) -> None:
        """Enter messages until all are entered."""
        while not self.is_done.is_set():
            try:
                await self._fill()
            except StoreError as error:
                log.warning("older messages are not entered into the search for now: %s", error)
                await asyncio.sleep(RETRY)
            except Exception:
                log.exception("older messages are not entered into the search for now")
                await asyncio.sleep(RETRY)

    async def _fill(self) -> None:
        count = 0
        if await self._reader.read(find_fill) is not None:
            while (entered := await self._writer.write(_enter)) is not None:
                count += entered
                await asyncio.sleep(PAUSE)
                while self._writer.waiting:  # noqa: ASYNC110 - the writer has no event for "idle", and a pause is wanted
                    await asyncio.sleep(PAUSE)
        if count:
            log.info("%d older messages are entered into the search", count)
        self.is_done.set()


def _enter(tx: Transaction) -> int | None:
    """Enter the next messages (a unit); return their number, None if there are no more."""
    fill = find_fill(tx)
    page = _next_page(tx, Key(fill["ts"], fill["channel"])) if fill is not None else []
    if not page:
        end_fill(tx)
        return None
    entered = find_entered(tx, [key.ts for key in page])
    for row in read_messages(tx, page[0], page[-1]):
        if Key(row["ts"], row["channel"]) in entered:  # it was posted or changed since
            continue
        entry = entry_of(row["channel"], row["ts"], row["user_id"], msgspec.json.decode(row["body"]))
        if entry is not None:
            tx.insert(SEARCH_ENTRY, entry)
    set_fill(tx, page[-1].channel, page[-1].ts)
    return len(page)


def _next_page(query: Query, after: Key) -> list[Key]:
    page: list[Key] = []
    size = 0
    for channel, ts, length in measure_messages(query, after.channel, after.ts, MAX_MESSAGES):
        size += length
        if page and size > MAX_BYTES:
            break
        page.append(Key(ts, channel))
    return page
