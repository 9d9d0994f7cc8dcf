"""Rate limits of calls: a token bucket for each key.

A full bucket limits like a new one, so buckets are dropped when they are full again, and memory follows the callers of
the last minutes and not all of history.
"""

import math
from typing import Final

from tautwire.server.clock import Clock
from tautwire.server.services.errors import MethodError
from tautwire.session.ratelimit import Rate, TokenBucket

MAX_BUCKETS: Final = 100_000
"""Maximum number of buckets, about 30 MB; above it the one checked longest ago is dropped."""


class RateLimited(MethodError):  # noqa: N818 - an answer, not a fault
    """A call exceeds its rate.

    Args:
        wait: whole seconds to wait.
    """

    def __init__(self, wait: int) -> None:
        super().__init__("ratelimited")
        self.wait = wait


class Limits:
    """Counts calls by key, for use in one thread. Keys are ids and names of methods, so their length is bounded."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], TokenBucket] = {}  # the one checked longest ago first

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, rate: Rate, *key: str) -> None:
        """Count a call; raise ``RateLimited`` if it comes too early."""
        now = self._clock.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = TokenBucket(rate, now)
            self._tidy(now)
            self._buckets[key] = bucket
        if not bucket.take(now):
            raise RateLimited(max(1, math.ceil(bucket.wait(now))))

    def give_back(self, *key: str) -> None:
        """Take back the count of the last call of a key."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.give_back()

    def _tidy(self, now: float) -> None:
        """Check two old buckets for each new one: full ones are found in time, without a scan of all."""
        for _ in range(min(2, len(self._buckets))):
            key = next(iter(self._buckets))
            bucket = self._buckets.pop(key)
            if not bucket.is_full(now) and len(self._buckets) < MAX_BUCKETS - 1:
                self._buckets[key] = bucket
