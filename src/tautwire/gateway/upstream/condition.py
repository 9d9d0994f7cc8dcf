"""How a link to the upstream is and was, for the operator: since when, and what failed last."""

from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple


class Trouble(NamedTuple):
    """A failure of a link."""

    text: str
    """What was wrong, without secrets."""
    at: float


@dataclass(slots=True)
class Condition:
    """The times of one link, in those of ``time.monotonic``; None for what has not been yet."""

    up_at: float | None = None
    """When events could come again, after a time in which none could."""
    greeted_at: float | None = None
    """When the last hello came."""
    trouble: Trouble | None = None
    """The last failure."""

    def failed(self, text: str) -> None:
        """Note a failure."""
        self.trouble = Trouble(text, monotonic())
