"""Rate limits: what is counted, and what is forgotten when."""

import pytest

from scene import TurnedClock
from tautwire.server.services.access import limits as module
from tautwire.server.services.access.limits import Limits, RateLimited
from tautwire.session.ratelimit import Rate

RATE = Rate(per_second=1.0, burst=3)


def used_up(limits: Limits, *key: str) -> int:
    """Call until it is too often; return the seconds to wait."""
    try:
        for _ in range(10):
            limits.take(RATE, *key)
    except RateLimited as refusal:
        return refusal.wait
    pytest.fail("ten calls were not too many")


def test_a_burst_passes_and_what_follows_has_to_wait(clock: TurnedClock) -> None:
    limits = Limits(clock)
    for _ in range(RATE.burst):
        limits.take(RATE, "alice")

    assert used_up(limits, "alice") == 1
    clock.offset += 1
    limits.take(RATE, "alice")
    assert used_up(limits, "alice") == 1


def test_keys_have_limits_of_their_own(clock: TurnedClock) -> None:
    limits = Limits(clock)
    used_up(limits, "alice", "C1")

    limits.take(RATE, "alice", "C2")
    limits.take(RATE, "bob", "C1")


def test_the_wait_of_a_slow_limit_is_told_in_whole_seconds(clock: TurnedClock) -> None:
    limits = Limits(clock)
    slow = Rate(per_second=1 / 60, burst=1)
    limits.take(slow, "alice")
    clock.offset += 0.5

    with pytest.raises(RateLimited) as caught:
        limits.take(slow, "alice")
    assert caught.value.wait == 60


def test_a_limit_in_use_is_kept_whatever_else_is_called(clock: TurnedClock) -> None:
    limits = Limits(clock)
    used_up(limits, "alice")
    for number in range(500):
        limits.take(RATE, str(number))

    assert used_up(limits, "alice") == 1
    assert len(limits) == 501


def test_what_is_full_again_is_forgotten_as_others_come(clock: TurnedClock) -> None:
    limits = Limits(clock)
    for number in range(500):
        limits.take(RATE, str(number))
    clock.offset += 10
    used_up(limits, "alice")
    for number in range(300):
        limits.take(RATE, f"later {number}")

    assert len(limits) <= 302
    assert used_up(limits, "alice") == 1


def test_there_are_never_more_than_the_maximum(clock: TurnedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUCKETS", 50)
    limits = Limits(clock)
    sizes = []
    for number in range(200):
        limits.take(RATE, str(number))
        sizes.append(len(limits))

    assert max(sizes) == 50
    used_up(limits, "199")
