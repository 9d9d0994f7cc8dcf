"""How many events an app gets in an hour."""

from hypothesis import given
from hypothesis import strategies as st

from tautwire.server.taps.quota import WINDOW, Quota


def test_what_is_older_than_an_hour_counts_no_more() -> None:
    quota = Quota(2)
    assert [quota.take(now) for now in (0, 1, 2)] == [True, True, False]
    assert not quota.take(WINDOW * 60 - 1)
    assert [quota.take(WINDOW * 60) for _ in range(3)] == [True, True, False]


def test_a_notice_is_due_once_a_minute() -> None:
    quota = Quota(1)
    assert [quota.is_notice_due(now) for now in (0, 59, 60, 61, 121)] == [True, False, True, False, True]


@given(st.integers(1, 9), st.lists(st.floats(0, 600), max_size=200))
def test_no_hour_has_more_than_the_limit_and_memory_is_bounded(limit: int, pauses: list[float]) -> None:
    quota, now, taken = Quota(limit), 0.0, []
    for pause in pauses:
        now += pause
        if quota.take(now):
            taken.append(now)
        assert len(quota._minutes) <= WINDOW
    for end in taken:  # minutes are counted whole: the hour may be one minute short
        assert len([time for time in taken if end - (WINDOW - 1) * 60 < time <= end]) <= limit
