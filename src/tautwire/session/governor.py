"""When the next ``rtm.connect`` may be made.

One governor decides about every attempt of a client, whatever made the last one fail: an API that cannot be reached,
an error status, a rate limit, a refused upgrade, no hello, or a connection that dropped at once. Three rules:

- full-jitter exponential back-off, which forgets its failures only after a connection stayed up;
- a wish of the server (Retry-After) is a floor;
- a budget: a few attempts are free, in the long run there is about one a minute, the documented tier of the method.

Time and chance come in as arguments. ``tautwire.client.supervisor`` asks, sleeps and reports.
"""

from typing import Final, NamedTuple

from tautwire.session.ratelimit import Rate, TokenBucket

_ROUNDING: Final = 0.001
"""Seconds on top of a wait for budget: without them a rounding error could make an attempt that is not paid for."""


class Backoff(NamedTuple):
    """How patient a governor is; all in seconds. Source: rtm.md 14.8 (recommended)."""

    base: float = 1.0
    """Upper bound of the first delay; each failure doubles it."""
    cap: float = 60.0
    """Upper bound of any delay that the server did not ask for."""
    stable_after: float = 60.0
    """Life of a connection after which past failures are forgotten."""
    budget: Rate = Rate(per_second=1 / 60, burst=6)
    """Attempts in the long run. Source: rtm.md 1.1 (tier 1, about one a minute; documented)."""


class Governor:
    """Decides on the delay before each attempt; knows only what it is told.

    Args:
        now: any clock in seconds that never runs backwards; the same for all calls.
    """

    __slots__ = ("_backoff", "_bucket", "_failures", "_not_before", "_opened_at")

    def __init__(self, backoff: Backoff, now: float) -> None:
        self._backoff = backoff
        self._bucket = TokenBucket(backoff.budget, now)
        self._failures = 0
        self._not_before = now
        self._opened_at: float | None = None

    @property
    def failures(self) -> int:
        """Attempts and short-lived connections since the last stable connection."""
        return self._failures

    def delay(self, now: float, chance: float) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            chance: a fresh random number from 0 to 1; it spreads many clients over the whole delay.
        """
        if self._opened_at is not None and now - self._opened_at >= self._backoff.stable_after:
            self._failures = 0
        jittered = chance * min(self._backoff.cap, self._backoff.base * 2.0 ** min(self._failures, 32))
        budget = self._bucket.wait(now)
        return max(jittered, self._not_before - now, budget + _ROUNDING if budget > 0 else 0.0)

    def attempted(self, now: float) -> None:
        """Count an attempt, made now, against the budget."""
        self._bucket.take(now)

    def failed(self, now: float, retry_after: float = 0.0) -> None:
        """Note an attempt that came to nothing, with the seconds the server wants us to wait."""
        self._failures += 1
        self._not_before = max(self._not_before, now + retry_after)

    def opened(self, now: float) -> None:
        """Note that a connection got its hello."""
        self._opened_at = now

    def ended(self, now: float) -> None:
        """Note that the connection is gone; one that did not last is a failure like any other."""
        if self._opened_at is None:
            return
        if now - self._opened_at >= self._backoff.stable_after:
            self._failures = 0
        else:
            self._failures += 1
        self._opened_at = None
