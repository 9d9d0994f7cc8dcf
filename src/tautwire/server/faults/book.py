"""The rules that are in force. Each says what goes wrong, for whom, how often, and how likely.

It is used on the loop of a server, and by the front of ``tautwire.testing`` from any thread.
"""

import random
import threading
from collections.abc import Collection
from typing import Annotated, Final, Literal, get_args

import msgspec

Fault = Literal[
    "drop", "reset", "goodbye", "half_open",
    "slow", "lost_ack", "late_ack", "repeated_event", "lost_envelope", "repeated_envelope",
    "method_error", "rate_limit", "server_error", "hang", "garbage", "dropped_call",
    "refused_delivery",
]  # fmt: skip
FAULTS: Final[tuple[str, ...]] = get_args(Fault)

ENDINGS: Final = ("drop", "reset", "goodbye", "half_open")
"""What happens to a connection: the socket closes without a Close frame; TCP RST; the server's goodbye and Close; the
socket stays, and the server neither reads nor writes."""
METHODS: Final = ("method_error", "rate_limit", "server_error", "hang", "garbage", "dropped_call")
"""What happens to a call. ``dropped_call``, the end of the socket in place of an answer, is for fronts only."""

MAX_RULES: Final = 100
MAX_SECONDS: Final = 60


class Rule(msgspec.Struct, kw_only=True):
    """One rule. What is None is not looked at."""

    fault: Fault
    times: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    """How often it applies; None for always."""
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    """How likely it applies when it fits."""
    seed: int = 0
    """Makes the same choices again."""
    user: str | None = None
    app: str | None = None
    method: str | None = None
    connection: int | None = None
    seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_SECONDS)] = 1.0
    """Of ``slow``, ``late_ack`` and ``hang``."""
    code: str = "internal_error"
    """Of ``method_error``."""
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    """Of ``server_error``."""
    retry_after: Annotated[int, msgspec.Meta(ge=0)] = 1
    """Of ``rate_limit``."""
    id: str = ""
    happened: int = 0
    """How often it did apply."""


class TooManyRules(Exception):  # noqa: N818 - an outcome
    """The book is full."""


class Book:
    """The rules that are in force, oldest first.

    Args:
        limit: how many there may be.
    """

    def __init__(self, limit: int = MAX_RULES) -> None:
        self._limit = limit
        self._rules: list[Rule] = []
        self._chances: dict[str, random.Random] = {}
        self._lock = threading.Lock()
        self._last = 0

    def __len__(self) -> int:
        return len(self._rules)

    @property
    def rules(self) -> list[Rule]:
        """All rules."""
        return [*self._rules]

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force, with an id.

        Raises:
            TooManyRules: there are as many as there may be.
        """
        with self._lock:
            if len(self._rules) >= self._limit:
                raise TooManyRules
            self._last += 1
            rule.id = f"f{self._last}"
            self._rules.append(rule)
            self._chances[rule.id] = random.Random(rule.seed)  # noqa: S311 - choices of a test
            return rule

    def remove(self, ids: Collection[str] | None = None, *, faults: Collection[str] = FAULTS) -> list[Rule]:
        """End rules: those of the ids, or all of these faults."""
        with self._lock:
            ended = [rule for rule in self._rules if (rule.id in ids if ids is not None else rule.fault in faults)]
            for rule in ended:
                self._end(rule)
            return ended

    def take(
        self,
        faults: Collection[str],
        *,
        user: str | None = None,
        app: str | None = None,
        method: str | None = None,
        connection: int | None = None,
    ) -> Rule | None:
        """Return the oldest rule that applies to what happens now, and count it; None if there is none."""
        if not self._rules:  # nearly always
            return None
        with self._lock:
            for rule in self._rules:
                if (
                    rule.fault in faults
                    and (rule.user is None or rule.user == user)
                    and (rule.app is None or rule.app == app)
                    and (rule.method is None or rule.method == method)
                    and (rule.connection is None or rule.connection == connection)
                    and (rule.probability == 1 or self._chances[rule.id].random() < rule.probability)
                ):
                    rule.happened += 1
                    if rule.times is not None:
                        rule.times -= 1
                        if rule.times == 0:
                            self._end(rule)
                    return rule
        return None

    def give_back(self, rule: Rule) -> None:
        """Count a rule as not applied: what it was taken for begins anew."""
        with self._lock:
            rule.happened -= 1
            if rule.times is not None:
                rule.times += 1
            if rule not in self._rules:
                self._rules.insert(0, rule)
                self._chances[rule.id] = random.Random(rule.seed)  # noqa: S311 - choices of a test

    def _end(self, rule: Rule) -> None:
        self._rules.remove(rule)
        self._chances.pop(rule.id, None)
