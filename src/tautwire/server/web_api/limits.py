"""How often a token may call a method: one bucket for each pair, forgotten when it is full again."""

import math
from typing import Final

from tautwire.server.clock import Clock
from tautwire.server.web_api.method import Tier
from tautwire.session.ratelimit import TokenBucket

MAX_BUCKETS: Final = 50_000


class Limits:
    """Counts calls by key and tier."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, ...], TokenBucket] = {}

    def take(self, tier: Tier, *key: str) -> int:
        """Count a call; return 0 if it may go on, else the whole seconds to wait (``Retry-After``)."""
        now = self._clock.monotonic()
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._buckets = {k: b for k, b in self._buckets.items() if not b.is_full(now)}
            bucket = self._buckets[key] = TokenBucket(tier.value, now)
        return 0 if bucket.take(now) else max(1, math.ceil(bucket.wait(now)))
