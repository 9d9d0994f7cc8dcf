"""A token bucket as a value: how often something may happen, with time as an argument.

Used by the server session (messages of one connection), by the Web API door (calls of one token) and by the
client's outbound limiter. It never sleeps; the caller decides what a refusal means.
"""

from typing import NamedTuple


class Rate(NamedTuple):
    """A sustained rate with a burst on top."""

    per_second: float
    """Sustained events per second."""
    burst: int
    """Events that may happen at once after a quiet time."""


class TokenBucket:
    """Counts down ``rate.burst`` tokens and earns ``rate.per_second`` back each second.

    ``now`` is any clock in seconds that never runs backwards; a step back earns nothing.
    """

    __slots__ = ("_level", "_rate", "_then")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._level = float(rate.burst)
        self._then = now

    def take(self, now: float) -> bool:
        """Use one token and return True, or return False and change nothing."""
        self._earn(now)
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True

    def give_back(self) -> None:
        """Undo one ``take`` that has returned True: what it was for did not happen."""
        self._level = min(float(self._rate.burst), self._level + 1.0)

    def wait(self, now: float) -> float:
        """Return the seconds until the next token is there; 0.0 if one is there now."""
        self._earn(now)
        if self._level >= 1.0:
            return 0.0
        return (1.0 - self._level) / self._rate.per_second

    def is_full(self, now: float) -> bool:
        """Return whether the bucket is as good as new, so that it may be thrown away."""
        self._earn(now)
        return self._level >= self._rate.burst

    def _earn(self, now: float) -> None:
        if now > self._then:
            self._level = min(float(self._rate.burst), self._level + (now - self._then) * self._rate.per_second)
            self._then = now
