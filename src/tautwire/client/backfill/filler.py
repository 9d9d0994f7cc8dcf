"""Fills gaps: holds the live events of the chosen channels while their history is read, and delivers both in order.

Only a client with a back-fill has a ``Filler``; ``client/delivery/delivery`` puts it before the dispatcher. Whatever
goes wrong, what is held comes out: at the end of the filling, when there is too much of it, when the time is over, or
when the client is stopped. What is missing is reported as ``BackfillIncomplete``.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from time import time
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from tautwire.client.backfill.channel import ChannelFill, place_of
from tautwire.client.backfill.history import pages
from tautwire.client.backfill.options import Backfill
from tautwire.client.errors import BackfillIncomplete
from tautwire.client.log import LOG
from tautwire.client.net.calls import CallError
from tautwire.client.notices import Backfilled, Gap
from tautwire.protocol.events import Event
from tautwire.protocol.frames import Message
from tautwire.protocol.ids import ChannelId, micros

AT_ONCE: Final = 4
"""Maximum number of channels read concurrently."""

SKEW: Final = 60.0
"""Seconds that our clock may be wrong, where the server does not say its time."""


class Filler:
    """Stands between the connections of a client and its handlers. All methods are for the loop.

    Args:
        backfill: what to fill.
        web: a client of the Web API that repeats no call by itself.
        deliver: gives an event to its handlers.
        tell: called with each channel that may lack messages.
        report: called when a filling is over.
    """

    def __init__(
        self,
        backfill: Backfill,
        web: AsyncWebClient,
        deliver: Callable[[Event], None],
        tell: Callable[[BackfillIncomplete], None],
        report: Callable[[Backfilled], None],
    ) -> None:
        self.ids = tuple(ChannelId(each) for each in backfill.channels)
        """The chosen channels."""
        self._channels: dict[str, ChannelFill] = {
            id_: ChannelFill(id_, backfill.limit, backfill.held) for id_ in self.ids
        }
        self._limit = backfill.limit
        self._timeout = backfill.timeout
        self._web = web
        self._deliver = deliver
        self._tell = tell
        self._report = report
        self._newest: int | None = None  # of all events of all channels, in the server's time
        self._started = 0
        self._clock_ahead: float | None = None
        self._has_begun = False
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._deadline = 0.0
        self._gaps: list[Gap] = []
        self._counts: Counter[ChannelId] = Counter()
        self._incomplete: list[BackfillIncomplete] = []

    # -- what happens ---------------------------------------------------------------------------------------

    def event_received(self, event: Event) -> None:
        """Deliver a live event, now or after the history of its channel."""
        place = place_of(event)
        if place.moment is not None and (self._newest is None or place.moment > self._newest):
            self._newest = place.moment
        channel = self._channels.get(place.channel)
        if channel is None or channel.take(event, place):
            self._deliver(event)
        elif channel.is_overfull:
            self._finish(channel, "too many events came meanwhile")

    def sent(self, frame: object, ts: str | None) -> None:
        """Called when a message of ours was stored: its sender has the ack and needs no event."""
        id_ = (
            frame.channel if isinstance(frame, Message) else frame.get("channel") if isinstance(frame, Mapping) else ""
        )
        channel, moment = self._channels.get(str(id_)), micros(ts)
        if channel is not None and moment is not None:
            channel.know(moment)

    def connected(self, clock_ahead: float | None) -> None:
        """Called at each hello, with the seconds that the server's clock is ahead of ours, None if unknown."""
        self._clock_ahead = clock_ahead
        if not self._has_begun and clock_ahead is not None:
            self._started = int((time() + clock_ahead) * 1_000_000)
        self._has_begun = True

    def fill(self, gap: Gap) -> None:
        """Hold the chosen channels from now on, and fill them. If that is going on, it begins again for both gaps."""
        loop = asyncio.get_running_loop()
        if self._task is None:
            self._deadline = loop.time() + self._timeout
        else:
            self._task.cancel()
        self._gaps.append(gap)
        began = self._began(gap)
        for channel in self._channels.values():
            channel.hold(began, self._started)
        self._task = loop.create_task(self._fill(), name="tautwire-backfill")
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End a filling now; what was held and found is delivered."""
        if self._task is not None:
            self._task.cancel()
            self._end("the client was stopped")
        if self._tasks:
            await asyncio.wait(self._tasks)

    # -- the work -------------------------------------------------------------------------------------------

    async def _fill(self) -> None:
        gate = asyncio.Semaphore(AT_ONCE)
        waiting = [channel for channel in self._channels.values() if channel.is_filling]
        reason = "the filling failed"
        try:
            async with asyncio.timeout_at(self._deadline):
                await asyncio.gather(*(self._fill_one(channel, gate) for channel in waiting))
        except TimeoutError:
            reason = f"it took more than {self._timeout:g} s"
        except Exception:  # noqa: BLE001 (a defect of ours: never silent, and what is held comes out)
            LOG.exception("back-fill failed because of a defect")
        self._end(reason)

    async def _fill_one(self, channel: ChannelFill, gate: asyncio.Semaphore) -> None:
        reason: str | None = None
        async with gate:
            try:
                reason = await self._read(channel)
            except CallError as error:
                reason = str(error)
        self._finish(channel, reason)

    async def _read(self, channel: ChannelFill) -> str | None:
        """Read the missing messages; return why some may still be missing, None if all were found."""
        count = 0
        async with aclosing(pages(self._web, channel.id, channel.oldest, self._deadline)) as reading:
            async for page in reading:
                if not channel.is_filling:  # it was given up meanwhile
                    return None
                for ts, event in page.messages:
                    moment = micros(ts)
                    if moment is None:
                        raise CallError(f"a message has {ts!r} as its ts, which is not a timestamp")
                    count += channel.find(moment, event)
                if count > self._limit or (count == self._limit and page.has_more):
                    return f"there are more than {self._limit}"
        return None

    def _finish(self, channel: ChannelFill, reason: str | None) -> None:
        """Deliver what was held and found of a channel, and report what is missing."""
        if not channel.is_filling:
            return
        since = channel.oldest
        events, found = channel.release(is_complete=reason is None)
        self._counts[channel.id] += found
        if reason is not None:
            error = BackfillIncomplete(channel.id, since, reason)
            self._incomplete.append(error)
            self._tell(error)
        for event in events:
            self._deliver(event)

    def _end(self, reason: str) -> None:
        self._task = None
        for channel in self._channels.values():
            self._finish(channel, reason)
        counts = {each: self._counts[each] for each in self.ids}
        report = Backfilled(tuple(self._gaps), datetime.now(UTC), counts, tuple(self._incomplete))
        self._gaps, self._incomplete = [], []
        self._counts.clear()
        LOG.info("back-fill is over: %d messages of %d channels", sum(counts.values()), len(counts))
        self._report(report)

    def _began(self, gap: Gap) -> int:
        """Return when a gap began, in microseconds of the server's time. When in doubt, too early."""
        ahead = -SKEW if self._clock_ahead is None else self._clock_ahead
        began = int((gap.began.timestamp() + ahead) * 1_000_000)
        return began if self._newest is None else min(began, self._newest)
