"""The server's only source of time, so that tests can move it."""

import time
from typing import Final, NamedTuple

_MICROS: Final = 1_000_000


class Clock:
    """Wall time and steady time of this machine."""

    def micros(self) -> int:
        """Return the wall clock in microseconds since 1970."""
        return time.time_ns() // 1000

    def seconds(self) -> int:
        """Return the wall clock in whole seconds since 1970."""
        return int(time.time())

    def monotonic(self) -> float:
        """Return seconds on a clock that never runs backwards."""
        return time.monotonic()


class _Hands(NamedTuple):
    """How far the clock is from the one below it; replaced as a whole, since other threads read the time."""

    wall: int = 0
    steady: float = 0.0
    frozen: tuple[int, float] | None = None
    """The time at which it stands, wall and steady."""


class TurnableClock(Clock):
    """A clock that can be turned and stopped, above another one. Wall and steady time go together.

    Args:
        base: the clock that it follows; the machine's without one.
    """

    def __init__(self, base: Clock | None = None) -> None:
        self._base = base or Clock()
        self._hands = _Hands()

    @property
    def is_frozen(self) -> bool:
        """Whether it stands."""
        return self._hands.frozen is not None

    @property
    def ahead(self) -> float:
        """Seconds by which the wall clock is ahead of the clock below; negative if it is behind."""
        hands = self._hands
        wall = hands.wall if hands.frozen is None else hands.frozen[0] - self._base.micros()
        return wall / _MICROS

    def turn(self, seconds: float) -> None:
        """Let time pass: all clocks go ahead, also if they stand.

        Raises:
            ValueError: the number is negative; see ``step``.
        """
        if seconds < 0:
            raise ValueError(f"seconds must be 0 or more, got {seconds}: use step() to set the wall clock back")
        self._move(seconds, seconds)

    def step(self, seconds: float) -> None:
        """Set the wall clock ahead or back, as an administrator or NTP does; the steady clock does not notice."""
        self._move(seconds, 0.0)

    def freeze(self) -> None:
        """Stop both clocks; no effect if they stand."""
        if self._hands.frozen is None:
            self._hands = self._hands._replace(frozen=(self.micros(), self.monotonic()))

    def thaw(self) -> None:
        """Go on from the time at which the clocks stand; no effect if they go."""
        if self._hands.frozen is not None:
            wall, steady = self._hands.frozen
            self._hands = _Hands(wall - self._base.micros(), steady - self._base.monotonic())

    def reset(self) -> None:
        """Tell the time of the clock below again."""
        self._hands = _Hands()

    def micros(self) -> int:
        """Return the wall clock in microseconds since 1970."""
        hands = self._hands
        return self._base.micros() + hands.wall if hands.frozen is None else hands.frozen[0]

    def seconds(self) -> int:
        """Return the wall clock in whole seconds since 1970."""
        return self.micros() // _MICROS

    def monotonic(self) -> float:
        """Return seconds on a clock that never runs backwards."""
        hands = self._hands
        return self._base.monotonic() + hands.steady if hands.frozen is None else hands.frozen[1]

    def _move(self, wall: float, steady: float) -> None:
        hands, micros = self._hands, int(wall * _MICROS)
        frozen = hands.frozen and (hands.frozen[0] + micros, hands.frozen[1] + steady)
        self._hands = _Hands(hands.wall + micros, hands.steady + steady, frozen)
