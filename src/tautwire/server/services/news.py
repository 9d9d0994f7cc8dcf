"""A wake-up for those that wait for entries of the log: they read what came from the tail."""

import asyncio
from collections.abc import Sequence

from tautwire.server.log.entry import Entry


class News:
    """Wakes waiting tasks at each commit, until it is closed."""

    def __init__(self) -> None:
        self._came: asyncio.Event | None = None  # made by the first task that waits, so a commit costs nothing without
        self.is_closed = False
        """Whether nothing more is awaited: the server stops."""

    def follow(self, entries: Sequence[Entry]) -> None:
        """Wake all that wait; a reader of the feed."""
        if self._came is not None:
            self._came.set()
            self._came = None

    async def wait(self, within: float) -> None:
        """Return at the next commit, at the close, or after ``within`` seconds.

        A caller that has looked at the tail in the same turn of the loop misses nothing.
        """
        if self.is_closed:
            return
        if self._came is None:
            self._came = asyncio.Event()
        try:
            async with asyncio.timeout(within):
                await self._came.wait()
        except TimeoutError:
            return

    def close(self) -> None:
        """Wake all that wait for the last time."""
        self.is_closed = True
        self.follow(())
