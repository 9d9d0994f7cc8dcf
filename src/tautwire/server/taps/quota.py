"""How many events an app gets in an hour. Pure.

Source: wire/events-api.md#delivery-over-http (documented): beyond the limit events are dropped, and the app gets
a notice once a minute. Off unless the operator sets ``app_event_limit``.
"""

from collections import deque
from typing import Final

WINDOW: Final = 60
"""Minutes that count."""


class Quota:
    """The events of one app in the last hour, by minute.

    Args:
        limit: at most so many.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minutes: deque[list[int]] = deque()  # minute and events
        self._count = 0
        self._noticed = -1

    def take(self, now: float) -> bool:
        """Count an event and return whether it may be sent.

        Args:
            now: in seconds on a steady clock.
        """
        minute = int(now // 60)
        while self._minutes and self._minutes[0][0] <= minute - WINDOW:
            self._count -= self._minutes.popleft()[1]
        if self._count >= self._limit:
            return False
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append([minute, 0])
        self._minutes[-1][1] += 1
        self._count += 1
        return True

    def is_notice_due(self, now: float) -> bool:
        """Whether the app has to get a notice of a dropped event, at most once a minute."""
        minute = int(now // 60)
        if minute == self._noticed:
            return False
        self._noticed = minute
        return True
