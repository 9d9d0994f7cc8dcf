"""What goes wrong now: the faults a test asked for and that were not used up yet."""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from tautwire.server.faults.book import Book

Upgrade = Literal["refuse", "hang", "expired", "no_hello", "drop"]
"""``refuse`` answers 503; ``hang`` does not answer; ``expired`` lets in and says that the URL has expired; ``no_hello``
opens the socket and is silent; ``drop`` closes the socket right after hello."""

UPGRADES: Final[tuple[str, ...]] = get_args(Upgrade)
"""Their names."""

FOREVER: Final = 1_000_000
"""As a number of times: until ``clear``."""


@dataclass(slots=True)
class UpgradeRule:
    """What to do to the next ``times`` RTM URLs that are dialled."""

    kind: Upgrade
    times: int


@dataclass(slots=True)
class Plan:
    """What goes wrong now."""

    book: Book = field(default_factory=lambda: Book(limit=FOREVER))
    """What goes wrong with calls and frames; the server has the same for its control API."""
    upgrades: list[UpgradeRule] = field(default_factory=list)
    is_foreign: bool = False
