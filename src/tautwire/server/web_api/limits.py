"""How often a token may call a method: a bucket for each key, forgotten when it is full again."""

import math
from typing import Final

from tautwire.server.clock import Clock
from tautwire.server.services.errors import MethodError
from tautwire.session.ratelimit import Rate, TokenBucket

MAX_BUCKETS: Final = 100_000
"""Buckets kept at most, some 30 MB; beyond it the one that was looked at first is forgotten."""


class RateLimited(MethodError):  # noqa: N818 - an answer, not a fault
    """The caller was too fast.

    Args:
        wait: whole seconds to wait, for ``Retry-After``.
    """

    def __init__(self, wait: int) -> None:
        super().__init__("ratelimited")
        self.wait = wait


class Limits:
    """Counts calls by key. One thread only may use it. Keys are made of ids and names of ours, so they are short."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], TokenBucket] = {}  # those looked at longest ago come first

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
        """Do not count the last call of a key."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.give_back()

    def _tidy(self, now: float) -> None:
        """Look at two buckets for each that is made, so the full ones are found without ever looking at all at once."""
        for _ in range(min(2, len(self._buckets))):
            key = next(iter(self._buckets))
            bucket = self._buckets.pop(key)
            if not bucket.is_full(now) and len(self._buckets) < MAX_BUCKETS - 1:
                self._buckets[key] = bucket
