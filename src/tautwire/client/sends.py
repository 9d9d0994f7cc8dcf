"""Frames on their way: how fast messages may go, and what becomes of those whose connection ended too early.

A message that got no reply before its connection ended may be stored or not. Some servers send the last message again
on the next connection (a ``message`` event with ``reply_to``), which settles it; whatever is not settled that way ends
as ``SendUnknown``.
"""

import asyncio
from typing import Final

from tautwire.client.connection import Reply
from tautwire.client.errors import SendUnknown
from tautwire.protocol.events import MessageEvent
from tautwire.protocol.frames import Ack
from tautwire.session.ratelimit import Rate, TokenBucket

REPLAY_WAIT: Final = 2.0
"""Seconds after a hello in which the last message may be sent again. Source: rtm.md 3.3 (read in an SDK)."""


class Turn:
    """Lets messages go at a given rate, in the order they asked."""

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._bucket: TokenBucket | None = None
        self._order = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the next message may go."""
        if self._rate is None:
            return
        loop = asyncio.get_running_loop()
        if self._bucket is None:
            self._bucket = TokenBucket(self._rate, loop.time())
        if not self._order.locked() and self._bucket.take(loop.time()):
            return
        async with self._order:
            while not self._bucket.take(loop.time()):  # noqa: ASYNC110 (nobody signals: time earns tokens)
                await asyncio.sleep(self._bucket.wait(loop.time()))

    def slow_down(self) -> None:
        """Use up the burst: the server said that we are too fast."""
        if self._bucket is not None:
            while self._bucket.take(asyncio.get_running_loop().time()):
                pass


class Orphans:
    """Sends whose connection ended before the reply."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[Reply]] = {}
        """Who waits, by the id of the frame on the connection that ended."""
        self._timer: asyncio.TimerHandle | None = None

    def adopt(self, replies: dict[int, "asyncio.Future[Reply]"], patience: float) -> None:
        """Take over the sends of a connection that ended; they wait ``patience`` seconds more at most."""
        for frame_id, future in replies.items():
            if frame_id in self.waiting:
                _give_up(self.waiting[frame_id])
            self.waiting[frame_id] = future
        replies.clear()
        if self.waiting:
            self.give_up_after(patience)

    def settle(self, message: MessageEvent) -> None:
        """Use the replay of a message, if somebody waits for it."""
        future = self.waiting.pop(message.reply_to, None) if message.reply_to is not None else None
        if future is not None and not future.done():
            future.set_result(Ack(message.reply_to, message.ts, message.text))

    def give_up_after(self, seconds: float) -> None:
        """Wait no longer than this."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self.give_up)

    def give_up(self) -> None:
        """Let everybody who still waits know that the outcome is unknown."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for future in self.waiting.values():
            _give_up(future)
        self.waiting.clear()


def _give_up(future: "asyncio.Future[Reply]") -> None:
    if not future.done():
        future.set_exception(SendUnknown("the connection ended before the reply; it may have happened or not"))
