"""When an app has failed too often to be served further. Pure.

Source: wire/events-api.md#delivery-over-http (documented): more than 95 % of the attempts of 60 minutes, retries
counted, and at least 1,000 events. An answer 404 counts as nothing: so Bolt for Python says that it has no listener
(wire/events-api.md#frameworks, recommended).
"""

from collections import deque
from typing import Final

WINDOW: Final = 60
"""Minutes that count."""
MIN_EVENTS: Final = 1_000
MAX_SHARE: Final = 0.95


class Failures:
    """The attempts of one app in the last hour, by minute."""

    def __init__(self) -> None:
        self._minutes: deque[tuple[int, list[int]]] = deque()
        self._sums = [0, 0, 0]

    def note(self, now: float, *, is_first: bool, failed: bool) -> None:
        """Count an attempt.

        Args:
            now: in seconds on a steady clock.
            is_first: whether it was the first one for its event.
        """
        minute = int(now // 60)
        while self._minutes and self._minutes[0][0] <= minute - WINDOW:
            _, old = self._minutes.popleft()
            self._sums = [total - part for total, part in zip(self._sums, old, strict=True)]
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, [0, 0, 0]))
        for place, amount in enumerate((1, is_first, failed)):
            self._minutes[-1][1][place] += amount
            self._sums[place] += amount

    @property
    def are_too_many(self) -> bool:
        """Whether the app is to be switched off."""
        attempts, events, failed = self._sums
        return events >= MIN_EVENTS and failed > MAX_SHARE * attempts
