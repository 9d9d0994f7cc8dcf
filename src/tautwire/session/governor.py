"""When the next ``rtm.connect`` may be made.

One governor decides about every attempt of a client, whatever made the last one fail: an API that cannot be reached,
an error status, a rate limit, a refused upgrade, no hello, or a connection that dropped at once. Three rules:

- full-jitter exponential back-off, which forgets its failures only after a connection stayed up;
- a wish of the server (Retry-After) is a floor, for an hour at most;
- a budget: a few attempts are free, in the long run there is about one a minute, the documented tier of the method.

The last two belong to the token, so the clients of one token share them (``Allowance``) and make one attempt at a time.
Time and chance come in as arguments. ``client/connection/supervisor`` asks, sleeps and reports.
"""

from typing import Final, NamedTuple

from tautwire.session.ratelimit import Rate, TokenBucket

_ROUNDING: Final = 0.001
"""Seconds on top of a wait for budget: without them a rounding error could make an attempt that is not paid for."""


_TURN: Final = 0.1
"""Seconds between two looks whether another client's attempt has ended."""

_LONGEST: Final = 120.0
"""Seconds after which an attempt that never reported its end no longer blocks the next one."""

_LONGEST_WISH: Final = 3600.0
"""Upper bound, in seconds, of a pause that the server asks for. A larger number is a fault of the server."""


class Backoff(NamedTuple):
    """How attempts to connect are spread (seconds). Source: wire/reconnecting.md#a-clients-algorithm (recommended)."""

    base: float = 1.0
    """Upper bound of the first delay; each failure doubles it."""
    cap: float = 60.0
    """Upper bound of any delay that the server did not ask for."""
    stable_after: float = 60.0
    """Life of a connection after which past failures are forgotten."""
    budget: Rate = Rate(per_second=1 / 60, burst=6)
    """Attempts in the long run. Source: wire/limits.md#opening-sessions (tier 1, about one a minute; documented)."""


class Allowance:
    """What a token may do: one attempt at a time, the budget of attempts, and until when the server wants none.

    Args:
        now: any clock in seconds that never runs backwards; the same for all calls.
    """

    def __init__(self, budget: Rate, now: float) -> None:
        self._bucket = TokenBucket(budget, now)
        self._not_before = now
        self._busy_until: float | None = None

    def wait(self, now: float) -> float:
        """Return the seconds until an attempt may be made; 0.0 if it may be made now."""
        budget = self._bucket.wait(now)
        turn = _TURN if self._is_busy(now) else 0.0
        return max(turn, self._not_before - now, budget + _ROUNDING if budget > 0 else 0.0)

    def take(self, now: float) -> bool:
        """Begin one attempt and return True, or return False and change nothing."""
        if now < self._not_before or self._is_busy(now) or not self._bucket.take(now):
            return False
        self._busy_until = now + _LONGEST
        return True

    def give_back(self) -> None:
        """Let the next attempt begin: the one that was begun is over."""
        self._busy_until = None

    def _is_busy(self, now: float) -> bool:
        return self._busy_until is not None and now < self._busy_until

    def hold(self, until: float) -> None:
        """Allow no attempt before a time."""
        self._not_before = max(self._not_before, until)


class Governor:
    """Decides on the delay before each attempt, from what is reported to it.

    Args:
        now: any clock in seconds that never runs backwards; the same for all calls.
        allowance: the budget that all clients of the token share. Default: one of its own.
    """

    __slots__ = ("_allowance", "_backoff", "_failures", "_opened_at")

    def __init__(self, backoff: Backoff, now: float, allowance: Allowance | None = None) -> None:
        self._backoff = backoff
        self._allowance = allowance or Allowance(backoff.budget, now)
        self._failures = 0
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
        return max(jittered, self._allowance.wait(now))

    def attempted(self, now: float) -> bool:
        """Begin an attempt; False if it must not be made now, since another client was quicker."""
        return self._allowance.take(now)

    def ended_attempt(self) -> None:
        """End the attempt that was begun, however it went; until then no other client of the token makes one."""
        self._allowance.give_back()

    def failed(self, now: float, retry_after: float = 0.0) -> None:
        """Called when an attempt failed, with the seconds that the server asks to wait."""
        self._failures += 1
        self._allowance.hold(now + min(retry_after, _LONGEST_WISH))

    def opened(self, now: float) -> None:
        """Called when a connection got its hello."""
        self._opened_at = now

    def ended(self, now: float) -> None:
        """Called when the connection is gone. One that did not last counts as a failure."""
        if self._opened_at is None:
            return
        if now - self._opened_at >= self._backoff.stable_after:
            self._failures = 0
        else:
            self._failures += 1
        self._opened_at = None
