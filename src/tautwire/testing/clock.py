"""A clock that tests can turn."""

from tautwire.server.clock import TurnableClock


class TurnedClock(TurnableClock):
    """The clock of this machine, plus what the test turned it by.

    Timestamps, ticket lifetimes, rate windows, auto-away and silence follow it. Timers of the event loop do not: the
    server looks at the clock about once a second.
    """

    def __init__(self) -> None:
        super().__init__()
