"""Failed logins: counted by address, limited by a generous rate, and logged at intervals."""

import logging
import math
from typing import Final

from tautwire.server.clock import Clock
from tautwire.session.ratelimit import Rate, TokenBucket

log = logging.getLogger("tautwire.server.web_api")

RATE: Final = Rate(1.0, 60)
"""Wrong tokens of one address. Tokens of 128 random bits cannot be guessed: the rate protects the server's time."""
MAX_ADDRESSES: Final = 10_000
LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about one address."""


class _Record:
    __slots__ = ("bucket", "logged_at", "unlogged")

    def __init__(self, now: float) -> None:
        self.bucket = TokenBucket(RATE, now)
        self.logged_at = -math.inf
        self.unlogged = 0


class FailedLogins:
    """The addresses with wrong tokens. Calls with a valid token are not limited."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}

    def count(self, address: str, method: str, error: str) -> int:
        """Count a failure; return the seconds that the caller has to wait (``Retry-After``), 0 below the rate."""
        now = self._clock.monotonic()
        record = self._records.get(address)
        if record is None:
            if len(self._records) >= MAX_ADDRESSES:
                self._forget(now)
            record = self._records[address] = _Record(now)
        record.unlogged += 1
        if now - record.logged_at >= LOG_INTERVAL:
            log.info("%d failed logins from %s, the last for %s: %s", record.unlogged, address, method, error)
            record.logged_at = now
            record.unlogged = 0
        return 0 if record.bucket.take(now) else max(1, math.ceil(record.bucket.wait(now)))

    def _forget(self, now: float) -> None:
        """Drop addresses without recent failures, or the older half if there are too few of them."""
        kept = {address: record for address, record in self._records.items() if not record.bucket.is_full(now)}
        if len(kept) >= MAX_ADDRESSES:
            kept = dict(list(kept.items())[MAX_ADDRESSES // 2 :])
        self._records = kept
