"""Failed logins: counted by address, refused beyond a generous rate, and logged now and then."""

import logging
import math
from typing import Final

from tautwire.server.clock import Clock
from tautwire.session.ratelimit import Rate, TokenBucket

log = logging.getLogger("tautwire.server.web_api")

RATE: Final = Rate(1.0, 60)
"""Wrong tokens of one address. A token has more than 128 random bits: this spares the log, not the token."""
MAX_ADDRESSES: Final = 10_000
LOG_INTERVAL: Final = 60.0
"""Seconds between two lines about one address."""


class _Record:
    __slots__ = ("bucket", "told", "untold")

    def __init__(self, now: float) -> None:
        self.bucket = TokenBucket(RATE, now)
        self.told = -math.inf
        self.untold = 0


class FailedLogins:
    """Remembers the addresses whose calls had a wrong token. Good tokens are never held up by it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}

    def count(self, address: str, method: str, error: str) -> int:
        """Count a failure; return the seconds that the caller has to wait (``Retry-After``), 0 under the rate."""
        now = self._clock.monotonic()
        record = self._records.get(address)
        if record is None:
            if len(self._records) >= MAX_ADDRESSES:
                self._forget(now)
            record = self._records[address] = _Record(now)
        record.untold += 1
        if now - record.told >= LOG_INTERVAL:
            log.info("%d failed logins from %s, the last for %s: %s", record.untold, address, method, error)
            record.told = now
            record.untold = 0
        return 0 if record.bucket.take(now) else max(1, math.ceil(record.bucket.wait(now)))

    def _forget(self, now: float) -> None:
        """Make room: first those that did nothing lately, else the older half."""
        kept = {address: record for address, record in self._records.items() if not record.bucket.is_full(now)}
        if len(kept) >= MAX_ADDRESSES:
            kept = dict(list(kept.items())[MAX_ADDRESSES // 2 :])
        self._records = kept
