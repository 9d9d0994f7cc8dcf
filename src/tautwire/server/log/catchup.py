"""The events that one user, or any of several, missed between a position and now, in pages.

A page comes from the tail in memory or, if that does not reach back far enough, from disk. Pages are bounded in bytes,
so a slow peer keeps one page in memory and no more. The memberships of the users are wound back to the position once
and move forward with the pages; ``tail`` has the rule of what a user may see.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.tail import Audience, Tail, read_entries, read_moves, visible
from tautwire.server.store.engine import StoreError
from tautwire.server.store.queries.log import measure_entries
from tautwire.server.store.reader import Reader

PAGE: Final = 262_144
"""Bytes of entries in one page; a longer entry is a page of its own."""

MAX_MEASURED: Final = 10_000
"""Entries whose sizes are read at once: an app may have been away for millions."""

MAX_REPLAY_SIZE: Final = 8 * 1024 * 1024
"""Bytes of entries between a position and now up to which a client can resume; beyond it the answer is ``resync``."""


async def size_since(position: int, tail: Tail, reader: Reader) -> int:
    """Return the bytes of all entries after ``position``."""
    oldest = tail.oldest
    size = sum(len(entry.payload) for entry in tail.since(position))
    if oldest > position + 1:
        size += sum(of for _, of in await reader.read(partial(measure_entries, after=position, before=oldest)))
    return size


class _Pages:
    """The entries since a position, in pages.

    Args:
        channels: the channels of each user at the present position of the tail.
    """

    def __init__(self, tail: Tail, reader: Reader, *, position: int, channels: Mapping[str, Collection[Topic]]) -> None:
        self.position = position
        """All events up to here were returned."""
        self._tail = tail
        self._reader = reader
        self._audience = Audience(channels)
        self._pages: list[int] = []  # where the next pages on disk end, the nearest last

        self._recent = tail.since(position)
        self._oldest = tail.oldest

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing up to this turn of the loop."""
        return self.position == self._tail.position

    async def rewind(self) -> None:
        """Compute the users' channels at the position; to be awaited before the first page."""
        for entry in await self._moves():
            self._audience.move(entry, undo=True)

    async def _seen(self, app: str = "") -> list[tuple[Entry, Collection[str]]]:
        """Return the events of the next page that a user may see, with these users, and those for ``app`` alone."""
        found: list[tuple[Entry, Collection[str]]] = []
        for entry in await self._entries():
            if entry.kind == "event":
                users = self._audience.of(entry.topic)
                if users:
                    found.append((entry, users))
            elif entry.kind == "app":
                if entry.topic == app:
                    found.append((entry, ()))
            else:
                self._audience.move(entry)
        return found

    async def _entries(self) -> Sequence[Entry]:
        """Return the entries of the next page, and move ``position`` to their end.

        Raises:
            StoreError: an entry is neither in memory nor on disk.
        """
        tail = self._tail
        entries: Sequence[Entry]
        if tail.oldest > self.position + 1:
            entries = await self._stored_page(tail.oldest)
        else:
            self._pages.clear()
            recent = tail.since(self.position)
            del recent[_fitting(len(entry.payload) for entry in recent) :]
            entries = recent
        if entries:
            self.position = entries[-1].position
        return entries

    async def _moves(self) -> list[Entry]:
        """Return the joins and leaves of the users between the position and the present, the newest first."""
        before = self._oldest
        recent, self._recent = self._recent, []
        moves = [entry for entry in recent if entry.kind in ("join", "leave")]
        if before > self.position + 1:
            for user in self._audience.users:
                moves += await self._reader.read(partial(read_moves, after=self.position, before=before, user=user))
        return sorted(moves, key=lambda entry: entry.position, reverse=True)

    async def _stored_page(self, before: int) -> Sequence[Entry]:
        if not self._pages:
            end = min(before, self.position + 1 + MAX_MEASURED)
            places = await self._reader.read(partial(measure_entries, after=self.position, before=end))
            if not places or places[0][0] != self.position + 1:
                raise StoreError(f"the log has no entry {self.position + 1}")
            while places:
                count = _fitting(size for _, size in places)
                self._pages.append(places[count - 1][0])
                del places[:count]
            self._pages.reverse()
        end = self._pages.pop()
        return await self._reader.read(partial(read_entries, after=self.position, before=end + 1))


class CatchUp(_Pages):
    """The events that one user missed since a position.

    Args:
        channels: the user's channels at the present position of the tail.
    """

    def __init__(self, tail: Tail, reader: Reader, *, user: str, position: int, channels: Collection[Topic]) -> None:
        super().__init__(tail, reader, position=position, channels={user: channels})
        self._user = user
        self._channels = channels

    def everything(self) -> list[Entry] | None:
        """Return all missed events if they are in memory and fit on a page, else None; to be called first, if at all.

        ``position`` is then the tail's.
        """
        if self._oldest > self.position + 1 or sum(len(entry.payload) for entry in self._recent) > PAGE:
            return None
        self.position = self._tail.position
        return visible(self._recent, self._user, self._channels)

    async def page(self) -> list[Entry]:
        """Return the next events that the user may see, perhaps none, and move ``position`` to the end of the page.

        Afterwards ``is_complete`` says whether it was the last. A page from memory is returned without a pause, so the
        caller can attach the connection in the same turn of the loop and no entry slips between.

        Raises:
            StoreError: an entry is neither in memory nor on disk.
        """
        return [entry for entry, _ in await self._seen()]


class SharedCatchUp(_Pages):
    """The events that any of several users missed since a position, with those who may see each.

    Args:
        channels: the channels of each user at the present position of the tail.
        app: the app whose own events are returned too.
    """

    def __init__(
        self, tail: Tail, reader: Reader, *, position: int, channels: Mapping[str, Collection[Topic]], app: str
    ) -> None:
        super().__init__(tail, reader, position=position, channels=channels)
        self._app = app

    async def page(self) -> list[tuple[Entry, Collection[str]]]:
        """Return the next events, perhaps none, and move ``position`` to the end of the page.

        With each come the users who may see it; none with an event for the app alone.

        Raises:
            StoreError: an entry is neither in memory nor on disk.
        """
        return await self._seen(self._app)


def _fitting(sizes: Iterable[int]) -> int:
    """Return how many of the first entries fit on a page, at least one if there are any."""
    total = count = 0
    for size in sizes:
        total += size
        if total > PAGE and count:
            break
        count += 1
    return count
