"""The clock that can be turned and stopped."""

import pytest

from tautwire.server.clock import Clock, TurnableClock


class Hand(Clock):
    """A clock of which the test is the machine."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0

    def micros(self) -> int:
        return int(self.now * 1_000_000)

    def monotonic(self) -> float:
        return self.now - 999_999_000.0


def test_how_far_a_clock_is_ahead_is_exact_while_the_machine_goes_on() -> None:
    clock = TurnableClock()
    clock.turn(86_400)
    assert [clock.ahead for _ in range(100)] == [86_400] * 100


def test_both_times_go_ahead_together() -> None:
    base = Hand()
    clock = TurnableClock(base)

    clock.turn(86_400)

    assert clock.seconds() == 1_000_086_400
    assert clock.monotonic() == 1_000 + 86_400
    assert clock.ahead == 86_400
    assert base.micros() == 1_000_000_000_000_000


def test_a_step_moves_the_wall_clock_alone() -> None:
    clock = TurnableClock(Hand())

    clock.step(-50)

    assert (clock.seconds(), clock.monotonic()) == (999_999_950, 1_000)


def test_time_stands_is_turned_and_goes_on_from_there() -> None:
    base = Hand()
    clock = TurnableClock(base)

    clock.freeze()
    base.now += 100
    stood = clock.seconds(), clock.monotonic()
    clock.turn(5)
    clock.freeze()  # no effect
    turned = clock.seconds(), clock.monotonic()
    clock.thaw()
    clock.thaw()  # no effect
    base.now += 1

    assert stood == (1_000_000_000, 1_000)
    assert turned == (1_000_000_005, 1_005)
    assert (clock.seconds(), clock.monotonic()) == (1_000_000_006, 1_006)
    assert clock.ahead == -95
    assert not clock.is_frozen


def test_time_never_runs_backwards() -> None:
    with pytest.raises(ValueError, match=r"got -1"):
        TurnableClock().turn(-1)


def test_a_reset_tells_the_time_below_again() -> None:
    clock = TurnableClock(Hand())
    clock.turn(10)
    clock.freeze()

    clock.reset()

    assert (clock.ahead, clock.is_frozen) == (0, False)
