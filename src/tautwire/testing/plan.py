"""What goes wrong now: the faults a test asked for and that were not used up yet."""

from dataclasses import dataclass, field
from typing import Final, Literal, get_args

Upgrade = Literal["refuse", "hang", "expired", "no_hello", "drop"]
"""``refuse`` answers 503; ``hang`` does not answer; ``expired`` lets in and says that the URL has expired; ``no_hello``
opens the socket and is silent; ``drop`` closes the socket right after hello."""

UPGRADES: Final[tuple[str, ...]] = get_args(Upgrade)
"""Their names."""

FOREVER: Final = 1_000_000
"""As a number of times: until ``clear``."""


@dataclass(slots=True)
class Rule:
    """What to do to the next ``times`` calls of a method ("" for any)."""

    method: str
    times: int
    status: int = 0
    retry_after: int | None = None
    delay: float = 0.0
    body: bytes = b""


@dataclass(slots=True)
class UpgradeRule:
    """What to do to the next ``times`` RTM URLs that are dialled."""

    kind: Upgrade
    times: int


@dataclass(slots=True)
class Plan:
    """What goes wrong now."""

    rules: list[Rule] = field(default_factory=list)
    upgrades: list[UpgradeRule] = field(default_factory=list)
    acks_lost: int = 0
    acks_late: list[float] = field(default_factory=list)
    repeats: int = 0
    slowness: float = 0.0
    is_foreign: bool = False
