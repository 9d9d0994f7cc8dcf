"""What values a client's settings may have: a wrong one is refused where it is given and not hours later.

Nothing here knows what the settings are for; ``client/settings`` asks for each of its own.
"""

import math
from collections.abc import Collection

from tautwire.protocol.errors import ConfigError
from tautwire.session.client import Patience
from tautwire.session.governor import Backoff
from tautwire.session.ratelimit import Rate


def check_seconds(name: str, value: object, *, zero: bool = False) -> None:
    """See that a value is a positive number of seconds, or 0 where ``zero`` is allowed.

    Raises:
        ConfigError: it is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or value < 0 or (value == 0 and not zero):  # type: ignore[operator]
        wanted = "0 or a positive number of seconds" if zero else "a positive number of seconds"
        raise ConfigError(f"{name} must be {wanted}, got {value!r}")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """See that a value is one of a few words. Raises as ``check_seconds``."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_rate(name: str, value: object) -> None:
    """See that something may happen now and then. Raises as ``check_seconds``."""
    if (
        not isinstance(value, Rate)
        or not all(isinstance(each, int | float) and math.isfinite(each) for each in value)
        or value.per_second <= 0
        or value.burst < 1
    ):
        raise ConfigError(f"{name} must be a Rate with per_second above 0 and a burst of 1 or more, got {value!r}")


def check_patience(name: str, value: object) -> None:
    """See that a session gets time, and pings before it gives up. Raises as ``check_seconds``."""
    if not isinstance(value, Patience):
        raise ConfigError(f"{name} must be a Patience, got {value!r}")
    for field, seconds in value._asdict().items():
        check_seconds(f"{name}.{field}", seconds)
    if value.idle >= value.silence:
        raise ConfigError(
            f"{name}.idle must be less than {name}.silence ({value.silence:g} s), got {value.idle:g} s: "
            "every quiet connection would be given up without a ping"
        )


def check_backoff(name: str, value: object) -> None:
    """See that attempts are possible. Raises as ``check_seconds``."""
    if not isinstance(value, Backoff):
        raise ConfigError(f"{name} must be a Backoff, got {value!r}")
    for field in ("base", "cap", "stable_after"):
        check_seconds(f"{name}.{field}", getattr(value, field), zero=True)
    check_rate(f"{name}.budget", value.budget)
