"""What RTM and the old Web API have, and the upstream has not, or the other way round: counts for the operator."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from tautwire.gateway.tally import Tally
from tautwire.server.clock import Clock

Kind = Literal["event", "call"]

REFUSALS: Final = frozenset(
    {
        "deprecated_endpoint", "method_deprecated", "missing_scope", "no_permission", "not_allowed_token_type",
        "unknown_method",
    }
)  # fmt: skip
"""Errors of the upstream that say: this app may not do, or no app can do, what the program asks for.
Source: wire/web-api.md#common-errors."""


class Count(msgspec.Struct, frozen=True):
    """How often one thing could not be mapped."""

    kind: Kind
    name: str
    """The type of the event, or the method as the program called it."""
    reason: str
    """``only_events_api`` or ``not_known`` of an event; ``without_effect`` or an error of ``REFUSALS`` of a call."""
    count: int
    last: float
    """Seconds since the last one."""


class Unmapped:
    """Counts the events that became no frame, and the calls that could not be carried out, of one bot."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[tuple[Kind, str], Tally] = {}  # by kind and reason, which are few
        self._last: dict[tuple[Kind, str, str], float] = {}

    def __iter__(self) -> Iterator[Count]:
        now = self._clock.monotonic()
        for (kind, reason), names in self._counts.items():
            for name, count in names.items():
                yield Count(kind, name, reason, count, now - self._last[kind, reason, name])

    def note(self, kind: Kind, name: str, reason: str) -> None:
        """Count one."""
        counted = self._counts.setdefault((kind, reason), Tally()).count(name)
        self._last[kind, reason, counted] = self._clock.monotonic()
