"""What the control API has of a workspace besides its rules: the journal, the faults, the time.

A workspace has it only while the control API is on; else nothing is recorded, and nothing can be broken or turned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tautwire.server.clock import TurnableClock
from tautwire.server.faults.book import Book
from tautwire.server.journal.journal import Journal


class Sent(NamedTuple):
    """What was sent: its bytes, and where it went."""

    bytes: int
    connection: int | None = None
    app: str | None = None
    event_id: str | None = None


class Sender(Protocol):
    """Sends by the doors of the workspace; each raises ``Refused`` where it cannot."""

    async def to_connection(self, number: int, event: dict[str, Any]) -> Sent:
        """Send an event on one connection of RTM or Socket Mode."""

    async def to_app(self, app: str, event: dict[str, Any]) -> Sent:
        """Send an event to an app over its door."""

    def disconnect(self, number: int, reason: str) -> None:
        """Have the client of a Socket Mode connection dial anew."""

    def retry(self, app: str, event_id: str | None) -> int:
        """Try at once what waits for an app over HTTP; return how many events that are."""


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
    sender: Sender
