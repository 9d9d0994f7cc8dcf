"""The server's only source of time, so that tests can move it."""

import time


class Clock:
    """Wall time and steady time of this machine."""

    def micros(self) -> int:
        """Return the wall clock in microseconds since 1970."""
        return time.time_ns() // 1000

    def seconds(self) -> int:
        """Return the wall clock in whole seconds since 1970."""
        return int(time.time())

    def monotonic(self) -> float:
        """Return seconds on a clock that never runs backwards."""
        return time.monotonic()
