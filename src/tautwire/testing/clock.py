"""A clock that tests can turn."""

from tautwire.server.clock import Clock


class TurnedClock(Clock):
    """The clock of this machine, plus what the test turned it by.

    Timestamps, ticket lifetimes, rate windows, auto-away and silence follow it. Timers of the event loop do not: the
    server looks at the clock about once a second.
    """

    def __init__(self) -> None:
        self._ahead = 0.0
        self._stepped = 0.0

    def turn(self, seconds: float) -> None:
        """Let time pass: all clocks go ahead.

        Raises:
            ValueError: the number is negative; see ``step``.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, got {seconds}: use step() to set the wall clock back")
        self._ahead += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock ahead or back, as an administrator or NTP does; the steady clock does not notice."""
        self._stepped += seconds

    def reset(self) -> None:
        """Tell the machine's time again."""
        self._ahead = self._stepped = 0.0

    def micros(self) -> int:
        """Return the wall clock in microseconds since 1970."""
        return super().micros() + int((self._ahead + self._stepped) * 1_000_000)

    def seconds(self) -> int:
        """Return the wall clock in whole seconds since 1970."""
        return self.micros() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds on a clock that never runs backwards."""
        return super().monotonic() + self._ahead
