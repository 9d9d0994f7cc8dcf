"""The token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from tautwire.session.ratelimit import Rate, TokenBucket


def test_a_burst_passes_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(Rate(per_second=1.0, burst=3), now=0.0)

    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait(0.25) == 0.75
    assert bucket.take(1.0)
    assert not bucket.take(1.0)


def test_a_clock_that_steps_back_earns_nothing_and_costs_nothing() -> None:
    bucket = TokenBucket(Rate(per_second=1.0, burst=1), now=100.0)

    assert bucket.take(50.0)
    assert not bucket.take(99.0)
    assert bucket.take(101.0)


@given(st.lists(st.floats(min_value=0, max_value=10, allow_nan=False), max_size=100))
def test_never_more_than_burst_plus_rate_times_time(gaps: list[float]) -> None:
    rate = Rate(per_second=2.0, burst=5)
    bucket = TokenBucket(rate, now=0.0)
    now = 0.0
    taken = 0
    for gap in gaps:
        now += gap
        taken += bucket.take(now)
        assert taken <= rate.burst + rate.per_second * now + 1e-6


def test_a_full_bucket_may_be_forgotten() -> None:
    bucket = TokenBucket(Rate(per_second=1.0, burst=1), now=0.0)
    bucket.take(0.0)

    assert not bucket.is_full(0.5)
    assert bucket.is_full(1.0)


def test_there_is_no_wait_while_there_is_more_than_one_token() -> None:
    assert TokenBucket(Rate(per_second=1.0, burst=3), now=0.0).wait(0.0) == 0.0


def test_what_is_given_back_can_be_taken_again_up_to_the_burst() -> None:
    bucket = TokenBucket(Rate(per_second=1.0, burst=2), now=0.0)
    assert bucket.take(0.0)
    bucket.give_back()
    bucket.give_back()

    assert [bucket.take(0.0) for _ in range(3)] == [True, True, False]
