"""A wake-up for those that wait for entries of the log: they read what came from the tail."""

from collections.abc import Sequence

from tautwire.server.log.entry import Entry
from tautwire.server.wakeup import Wakeup


class News(Wakeup):
    """Wakes waiting tasks at each commit, until it is closed."""

    def follow(self, entries: Sequence[Entry]) -> None:
        """Wake all that wait; a reader of the feed."""
        self.wake()
