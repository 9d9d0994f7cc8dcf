"""When the next rtm.connect may be made: back-off, wishes of the server, and the budget."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tautwire.session.governor import Allowance, Backoff, Governor
from tautwire.session.ratelimit import Rate

PLENTY = Backoff(budget=Rate(per_second=1000.0, burst=1000))


def test_the_first_attempt_may_be_made_at_once() -> None:
    assert Governor(PLENTY, 0.0).delay(0.0, 0.0) == 0.0


def test_each_failure_doubles_the_bound_up_to_the_cap() -> None:
    governor = Governor(PLENTY, 0.0)
    bounds = []
    for _ in range(9):
        bounds.append(governor.delay(0.0, 1.0))
        governor.failed(0.0)
    assert bounds == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


def test_chance_spreads_the_delay_from_nothing_to_the_bound() -> None:
    governor = Governor(PLENTY, 0.0)
    governor.failed(0.0)
    assert [governor.delay(0.0, chance) for chance in (0.0, 0.25, 1.0)] == [0.0, 0.5, 2.0]


def test_the_wish_of_the_server_is_a_floor() -> None:
    governor = Governor(PLENTY, 0.0)
    governor.failed(10.0, retry_after=30.0)
    assert governor.delay(10.0, 0.0) == 30.0
    assert governor.delay(39.0, 0.0) == 1.0
    assert governor.delay(41.0, 0.0) == 0.0


@pytest.mark.parametrize("wish", [3601.0, 365 * 86400.0, 1e300, float("inf")])
def test_no_wish_of_the_server_lasts_longer_than_an_hour(wish: float) -> None:
    governor = Governor(PLENTY, 0.0)
    governor.failed(10.0, retry_after=wish)
    assert governor.delay(10.0, 0.0) == 3600.0
    assert governor.delay(3610.0, 0.0) == 0.0


def test_a_connection_that_stayed_up_makes_failures_forgotten() -> None:
    governor = Governor(PLENTY, 0.0)
    governor.failed(0.0)
    governor.opened(1.0)
    governor.ended(61.0)
    assert governor.failures == 0


def test_a_connection_that_is_still_up_counts_as_well() -> None:
    governor = Governor(PLENTY, 0.0)
    for _ in range(5):
        governor.failed(0.0)
    governor.opened(1.0)
    assert governor.delay(61.0, 1.0) == 1.0


def test_a_connection_that_dropped_at_once_is_a_failure() -> None:
    governor = Governor(PLENTY, 0.0)
    for at in range(3):
        governor.opened(at)
        governor.ended(at + 0.05)
    assert governor.failures == 3


def test_an_end_without_a_beginning_counts_for_nothing() -> None:
    governor = Governor(PLENTY, 0.0)
    governor.ended(1.0)
    assert governor.failures == 0


@settings(deadline=None)
@given(st.randoms())
def test_in_the_long_run_there_is_one_attempt_a_minute(chance_of: Random) -> None:
    """Whatever chance says, and though every connection drops right after its hello."""
    governor, now, attempts = Governor(Backoff(), 0.0), 0.0, 0
    for _ in range(200):
        chance = chance_of.choice((0.0, chance_of.random()))
        now += governor.delay(now, chance)
        assert governor.attempted(now)
        governor.ended_attempt()
        attempts += 1
        governor.opened(now)
        governor.ended(now + 0.05)
    assert attempts <= 7 + now / 60


def test_governors_of_one_token_share_its_budget() -> None:
    allowance = Allowance(Backoff().budget, 0.0)
    one, other = (Governor(Backoff(), 0.0, allowance) for _ in range(2))
    made = []
    for each in (one, other) * 4:
        made.append(each.attempted(0.0))
        if made[-1]:
            each.ended_attempt()
    assert made == [True] * 6 + [False] * 2
    assert one.delay(0.0, 0.0) == other.delay(0.0, 0.0) > 59


def test_governors_of_one_token_wait_as_one_of_them_was_told() -> None:
    allowance = Allowance(PLENTY.budget, 0.0)
    one, other = (Governor(PLENTY, 0.0, allowance) for _ in range(2))
    one.failed(0.0, retry_after=30.0)
    assert other.delay(0.0, 0.0) == 30.0
    assert not other.attempted(29.0)
    assert other.attempted(30.0)
    assert other.failures == 0


def test_governors_of_one_token_take_turns() -> None:
    allowance = Allowance(Backoff().budget, 0.0)
    one, other = (Governor(Backoff(), 0.0, allowance) for _ in range(2))
    assert one.attempted(0.0)
    assert 0.0 < other.delay(0.0, 0.0) <= 1.0
    assert not other.attempted(30.0)
    one.ended_attempt()
    assert other.delay(30.0, 0.0) == 0.0
    assert other.attempted(30.0)


def test_a_governor_that_went_away_in_an_attempt_does_not_hold_up_the_others_for_ever() -> None:
    allowance = Allowance(Backoff().budget, 0.0)
    one, other = (Governor(Backoff(), 0.0, allowance) for _ in range(2))
    assert one.attempted(0.0)
    assert not other.attempted(100.0)
    assert other.attempted(120.0)


def test_failures_after_a_lost_connection_are_not_forgotten_because_that_one_began_long_ago() -> None:
    governor = Governor(PLENTY, 0.0)
    governor.opened(0.0)
    governor.ended(1.0)
    for _ in range(7):
        governor.failed(100.0)
    assert governor.delay(100.0, 1.0) == 60.0


def test_a_connection_that_has_just_opened_makes_nothing_forgotten() -> None:
    governor = Governor(PLENTY, 0.0)
    for _ in range(5):
        governor.failed(0.0)
    governor.opened(0.0)
    assert governor.delay(1.0, 1.0) == 32.0


def test_a_connection_that_opened_late_has_to_last_as_well() -> None:
    governor = Governor(PLENTY, 0.0)
    for _ in range(5):
        governor.failed(1_000.0)
    governor.opened(1_000.0)
    assert governor.delay(1_059.0, 1.0) == 32.0
    assert governor.delay(1_060.0, 1.0) == 1.0


def test_a_spent_budget_is_waited_for_and_hardly_longer() -> None:
    governor = Governor(Backoff(budget=Rate(per_second=0.5, burst=1)), 0.0)
    assert governor.attempted(0.0)
    governor.ended_attempt()
    wait = governor.delay(0.0, 0.0)
    assert 2.0 <= wait < 2.01
    assert governor.attempted(wait)
