"""Keeps a connection from getting the event of the message that it has sent itself: it has the ack.

The answer to ``chat.postMessage`` names the message by channel and ts, and so does its event. The event can arrive
before the answer. So an event by the bot itself waits, with those behind it in the channel, while a send to that
channel is in flight. Source: wire/events-api.md#what-only-rtm-has.
"""

import asyncio
from collections import Counter
from typing import Final

PATIENCE: Final = 5.0
"""Seconds that an event waits for the answers of sends. After them it is delivered: a copy is better than a loss."""
MAX_SENT: Final = 10_000
"""Messages that are remembered until their event comes; the oldest are dropped beyond."""

_IDS: Final = ("C", "D", "G")
_ANY: Final = ""
"""The place of a send to a name: its channel is known with the answer."""


class Echoes:
    """The sends in flight, and the messages whose events are still to come."""

    def __init__(self) -> None:
        self._flights: Counter[str] = Counter()
        self._sent: dict[tuple[str, str], int] = {}  # connection by channel and ts, oldest first
        self._landed = asyncio.Event()
        self.held = 0
        """Events that had to wait for an answer."""

    def is_in_flight(self, channel: str) -> bool:
        """Whether a send may lead to an event of this channel, and its answer is not here yet."""
        return self._flights[channel] > 0 or self._flights[_ANY] > 0

    def begin(self, channel: str) -> str:
        """Note that a send begins; return what ``end`` has to be given."""
        place = channel if channel.startswith(_IDS) else _ANY
        self._flights[place] += 1
        return place

    def end(self, place: str) -> None:
        """Note that the outcome of a send is known, or will never be."""
        self._flights[place] -= 1
        if not self._flights[place]:
            del self._flights[place]
        self._landed.set()

    def sent(self, channel: str, ts: str, connection: int) -> None:
        """Note that a message is that of a connection; before ``end`` of its send."""
        self._sent[channel, ts] = connection
        while len(self._sent) > MAX_SENT:
            del self._sent[next(iter(self._sent))]

    def sender(self, channel: str, ts: str) -> int | None:
        """Return the connection that has sent a message, once; None if it is not known."""
        return self._sent.pop((channel, ts), None)

    async def known(self, channel: str, ts: str) -> None:
        """Wait until it is certain who has sent a message, or for ``PATIENCE``."""
        self.held += 1
        try:
            async with asyncio.timeout(PATIENCE):
                while (channel, ts) not in self._sent and self.is_in_flight(channel):
                    self._landed.clear()
                    await self._landed.wait()
        except TimeoutError:
            return
