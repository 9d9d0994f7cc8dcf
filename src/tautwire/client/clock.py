"""A clock that counts on while the system is suspended: only so is it known how long a server was quiet.

``time.monotonic`` stands still during a suspend on Linux and macOS, and so do the event loop's timers.
"""

import sys
import time
from collections.abc import Callable
from functools import partial


def _pick() -> Callable[[], float]:
    if sys.platform == "linux":
        return partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # there it counts a suspend, unlike time.monotonic()
        return partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return time.monotonic


elapsed: Callable[[], float] = _pick()
"""Seconds since some time in the past. Never runs backwards, and takes no longer than ``time.monotonic``."""


def suspended() -> float:
    """Return the seconds the system was suspended, counted from some time in the past; differences count."""
    return elapsed() - time.monotonic()
