"""What the control API has of a workspace besides its rules: the journal, the faults, the time.

A workspace has it only while the control API is on; else nothing is recorded, and nothing can be broken or turned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tautwire.server.clock import TurnableClock
from tautwire.server.faults.book import Book
from tautwire.server.journal.journal import Journal


@dataclass(frozen=True, slots=True)
class Controls:
    """Journal, faults and clock of one workspace."""

    journal: Journal
    faults: Book
    clock: TurnableClock
    turned: Callable[[], None]
    """Looks at once what is due, after the clock was turned."""
    strike: Callable[[], None]
    """Has faults that end connections happen to those that are open."""
    send: Callable[[int, bytes], Literal["sent", "gone", "full"]]
    """Sends a frame to the RTM connection of a number, unless it is gone, or too much waits for it."""
