"""The counters of a server: plain numbers, so that counting is cheap on hot paths.

The parts add to them; ``server.metrics`` reads them at each scrape. No lock is needed, since only one thread changes
each number: those of commits the writer's thread, all others the loop's.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

COMMIT_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
COMMIT_CHANGES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Distribution:
    """The number of values in each range: ``counts[i]`` counts values up to ``bounds[i]``, the last all larger."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def quantile(self, share: float) -> float | None:
        """Estimate the value below which this share of the values is, None without values.

        Within a range the values count as evenly spread; of those above the last bound nothing is known but the bound.
        """
        wanted = share * sum(self.counts)
        if not wanted:
            return None
        below, low = 0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            if count and below + count >= wanted:
                return low + (bound - low) * (wanted - below) / count
            below, low = below + count, bound
        return low


@dataclass(slots=True)
class Traffic:
    """The counters of the WebSockets of one door."""

    opened: int = 0
    """Connections that got a hello."""
    frames_in: int = 0
    """Text messages from the clients."""
    frames_out: int = 0
    """Text frames that were written to the clients."""
    bytes_out: int = 0
    """Bytes of these frames, headers included."""
    endings: Counter[str] = field(default_factory=Counter)
    """Connections that ended, by reason; ``peer`` and ``lost`` are the client's, the others the server's."""


@dataclass(slots=True)
class Deliveries:
    """The counters of events to apps."""

    sent: int = 0
    """Events that were sent, those that were sent again included."""
    repeated: int = 0
    """Events that were sent again."""
    acknowledged: int = 0
    given_up: int = 0
    """Events that ran out of tries."""
    dropped: int = 0
    """Events beyond the limit of their app."""


@dataclass(slots=True)
class Counts:
    """The counters of one server since its start."""

    rtm: Traffic = field(default_factory=Traffic)
    """The connections of the RTM door."""
    socket_mode: Traffic = field(default_factory=Traffic)
    """The connections of the Socket Mode door."""
    deliveries: Deliveries = field(default_factory=Deliveries)
    """The events to apps."""
    acks: int = 0
    """Messages that were acknowledged over RTM: each is on disk."""
    rtm_errors: Counter[int] = field(default_factory=Counter)
    """Error replies over RTM, by code."""
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Web API answers by status and error; without an error it is empty."""
    commit_seconds: Distribution = field(default_factory=lambda: Distribution(COMMIT_SECONDS))
    """Duration of commits, from BEGIN to the end of COMMIT."""
    commit_changes: Distribution = field(default_factory=lambda: Distribution(COMMIT_CHANGES))
    """Number of changes in each commit."""
    commit_failures: int = 0
    """Batches of changes that could not be stored."""
