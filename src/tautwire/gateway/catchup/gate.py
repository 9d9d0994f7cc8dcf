"""Holds back the live events of a channel until what was missed before them is stored.

Each channel is held for a bounded time. After it the events go on, and what is read from the history later has no place
any more: ``given_up`` tells the run so. How much is held in bytes, the intake bounds.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from tautwire.protocol.ids import NEVER

PATIENCE: Final = 30.0
"""Seconds that the first waiting event of a channel is held. The upstream repeats an event that has no acknowledgement
for some minutes, and it is known by then."""


class Gate:
    """Which channels are held back."""

    def __init__(self) -> None:
        self._holds_all = False
        self._held: set[str] = set()
        self._waiters: dict[str, asyncio.Future[None]] = {}  # oldest first
        self._covered: dict[str, tuple[str, str]] = {}
        self._floor: str = NEVER
        self._end: str = NEVER
        self.given_up: set[str] = set()
        """Channels whose events have gone on before what was missed."""
        self.is_overruled = False
        """Whether the upstream sends events from before the floor: it has kept what was missed, and sends it itself."""

    @property
    def waiting(self) -> list[str]:
        """Channels of which an event waits, the one that waits longest first."""
        return list(self._waiters)

    def close(self, floor: str, end: str) -> None:
        """Hold back every channel.

        Args:
            floor: ts from which messages are looked up.
            end: that of the end of the gap.
        """
        self._holds_all, self._held = True, set()
        self._floor, self._end, self.is_overruled = floor, end, False
        self.given_up.clear()
        self._covered.clear()

    def hold(self, channels: Iterable[str]) -> None:
        """Hold back these channels, and no others any more."""
        self._holds_all, self._held = False, set(channels) - self.given_up
        for channel, waiter in self._waiters.items():
            if channel not in self._held and not waiter.done():
                waiter.set_result(None)

    def open(self, channel: str) -> None:
        """Let the events of a channel go on."""
        self._held.discard(channel)
        waiter = self._waiters.get(channel)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def holds(self, channel: str) -> bool:
        """Whether events of a channel have to wait."""
        return bool(channel) and channel not in self.given_up and (self._holds_all or channel in self._held)

    async def passed(self, channel: str) -> None:
        """Wait until events of a channel may go on."""
        if not self.holds(channel):
            return
        self._waiters[channel] = waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                await waiter
        except TimeoutError:
            self.given_up.add(channel)
        finally:
            del self._waiters[channel]

    def saw(self, event_ts: str) -> None:
        """Note the time of an event that has just come."""
        if event_ts and event_ts < self._floor and (self._holds_all or self._held):
            self.is_overruled = True
            self.hold(())

    def cover(self, channel: str, oldest: str, newest: str) -> None:
        """Note that the history between two messages has been read."""
        self._covered[channel] = (oldest, min(newest, self._end))

    def is_covered(self, channel: str, ts: str) -> bool:
        """Whether a message of the gap should have been in the history; one that was not has been deleted."""
        oldest, newest = self._covered.get(channel, ("", ""))
        return oldest <= ts <= newest if oldest else False
