"""Operations on the time of the workspace."""

from typing import Annotated, Final

import msgspec

from tautwire.server.clock import TurnableClock
from tautwire.server.control.operation import Nothing, Result, controls_of, operation
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.workspace import Workspace

MAX_TURN: Final = 315_360_000
"""Seconds by which the time may be ahead: ten years. Timestamps end in the year 2286."""


class Turn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How far time goes ahead."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_TURN)]


class Time(msgspec.Struct, kw_only=True):
    """The time of the workspace in seconds since 1970, how far it is from the machine's, and whether it stands."""

    now: float
    ahead: float
    is_frozen: bool


@operation("time.read", Nothing, Time, reads=True)
async def read(workspace: Workspace, args: Nothing) -> Result:
    """Return the time of the workspace."""
    return _time(controls_of(workspace).clock)


@operation("time.turn", Turn, Time)
async def turn(workspace: Workspace, args: Turn) -> Result:
    """Let time pass in the workspace, also while it stands; what becomes due is done at once."""
    controls = controls_of(workspace)
    if controls.clock.ahead + args.seconds > MAX_TURN:
        raise Refused(
            "too_far", f"time may be {MAX_TURN} seconds ahead, and is {controls.clock.ahead:.0f}: restart the server"
        )
    controls.clock.turn(args.seconds)
    controls.turned()
    return _time(controls.clock)


@operation("time.freeze", Nothing, Time)
async def freeze(workspace: Workspace, args: Nothing) -> Result:
    """Stop the time of the workspace."""
    clock = controls_of(workspace).clock
    clock.freeze()
    return _time(clock)


@operation("time.thaw", Nothing, Time)
async def thaw(workspace: Workspace, args: Nothing) -> Result:
    """Let time go on from where it stands."""
    clock = controls_of(workspace).clock
    clock.thaw()
    return _time(clock)


def _time(clock: TurnableClock) -> Result:
    return {"now": clock.micros() / 1_000_000, "ahead": clock.ahead, "is_frozen": clock.is_frozen}
