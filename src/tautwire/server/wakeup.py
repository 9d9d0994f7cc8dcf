"""A wake-up for tasks that wait for something new, which they then read elsewhere."""

import asyncio


class Wakeup:
    """Wakes waiting tasks, until it is closed."""

    def __init__(self) -> None:
        self._came: asyncio.Event | None = None  # made by the first task that waits, so a wake costs nothing without
        self.is_closed = False
        """Whether nothing more is awaited: the server stops."""

    def wake(self) -> None:
        """Wake all that wait."""
        if self._came is not None:
            self._came.set()
            self._came = None

    async def wait(self, within: float) -> None:
        """Return at the next wake, at the close, or after ``within`` seconds.

        A caller that has looked for something new in the same turn of the loop misses nothing.
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
        self.wake()
