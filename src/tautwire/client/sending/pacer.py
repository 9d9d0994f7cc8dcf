"""Paces messages: at a given rate, in order, with a bound on how many wait.

``client/sending/sending`` owns the pacer, and fails what waits when no connection will come.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from tautwire.client.errors import NotSent
from tautwire.session.ratelimit import Rate, TokenBucket

MAX_WAIT: Final = 1_000
"""Seconds' worth of messages that may wait for their turn; at a rate below one in a second as many messages."""


class MessagePacer:
    """Lets messages go at a given rate, in the order they asked.

    Args:
        rate: how fast; None for no limit.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._rate = rate
        self._most = 0 if rate is None else int(MAX_WAIT * max(rate.per_second, 1.0))
        self._bucket: TokenBucket | None = None
        self._waiting: dict[asyncio.Future[None], None] = {}  # in the order they asked
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Messages that wait for their turn."""
        return len(self._waiting)

    async def wait(self) -> bool:
        """Return when the next message may go: True if that took a while.

        Raises:
            NotSent: too many wait already.
        """
        if self._rate is None:
            return False
        loop = asyncio.get_running_loop()
        if self._bucket is None:
            self._bucket = TokenBucket(self._rate, loop.time())
        if not self._waiting and self._bucket.take(loop.time()):
            return False
        if len(self._waiting) >= self._most:
            raise NotSent(
                f"{len(self._waiting)} messages wait for their turn already: send fewer, or set a higher message_rate"
            )
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting[turn] = None
        self._arm(loop, self._bucket)
        try:
            await turn
        finally:
            self._waiting.pop(turn, None)
        return True

    def slow_down(self) -> None:
        """Use up the burst: the server said that we are too fast."""
        if self._bucket is not None:
            while self._bucket.take(asyncio.get_running_loop().time()):
                pass

    def give_up(self, error: Callable[[], Exception]) -> None:
        """Let all that waits end with an error, made anew for each."""
        waiting, self._waiting = self._waiting, {}
        for turn in waiting:
            if not turn.done():
                turn.set_exception(error())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, loop: asyncio.AbstractEventLoop, bucket: TokenBucket) -> None:
        if self._timer is None:
            self._timer = loop.call_later(bucket.wait(loop.time()), self._go_on, loop, bucket)

    def _go_on(self, loop: asyncio.AbstractEventLoop, bucket: TokenBucket) -> None:
        """Let go what may go by now."""
        self._timer = None
        for turn in list(self._waiting):
            if turn.done():  # cancelled, and about to leave
                continue
            if not bucket.take(loop.time()):
                self._arm(loop, bucket)
                return
            del self._waiting[turn]
            turn.set_result(None)
