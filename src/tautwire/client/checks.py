"""What values a client's settings may have, so that a wrong one is told where it is given and not hours later.

Nothing here knows what the settings are for; ``tautwire.client.settings`` asks for each of its own.
"""

import math
from collections.abc import Collection

from tautwire.protocol.errors import ConfigError
from tautwire.session.client import Patience
from tautwire.session.governor import Backoff
from tautwire.session.ratelimit import Rate


def check_seconds(name: str, value: object, *, zero: bool = False) -> None:
    """See that a value is a number of seconds above 0, or 0 if ``zero`` makes sense.

    Raises:
        ConfigError: it is not.
    """
    is_number = isinstance(value, int | float) and math.isfinite(value)
    if not is_number or value < 0 or (value == 0 and not zero):  # type: ignore[operator]
        raise ConfigError(f"{name} is a number of seconds, {'0 or more' if zero else 'more than 0'}; not {value!r}")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """See that a value is one of a few words. Raises as ``check_seconds``."""
    if value not in choices:
        raise ConfigError(f"{name} is one of {', '.join(map(repr, choices))}; not {value!r}")


def check_rate(name: str, value: object) -> None:
    """See that something may happen now and then. Raises as ``check_seconds``."""
    if (
        not isinstance(value, Rate)
        or not all(isinstance(each, int | float) and math.isfinite(each) for each in value)
        or value.per_second <= 0
        or value.burst < 1
    ):
        raise ConfigError(f"{name} is a Rate with per_second above 0 and a burst of 1 or more; not {value!r}")


def check_patience(name: str, value: object) -> None:
    """See that a session gets time, and pings before it gives up. Raises as ``check_seconds``."""
    if not isinstance(value, Patience):
        raise ConfigError(f"{name} is a Patience; not {value!r}")
    for field, seconds in value._asdict().items():
        check_seconds(f"{name}.{field}", seconds)
    if value.idle >= value.silence:
        raise ConfigError(
            f"{name}.idle ({value.idle:g} s) has to be less than silence ({value.silence:g} s), "
            "or every quiet connection is given up without a ping"
        )


def check_backoff(name: str, value: object) -> None:
    """See that attempts are possible. Raises as ``check_seconds``."""
    if not isinstance(value, Backoff):
        raise ConfigError(f"{name} is a Backoff; not {value!r}")
    for field in ("base", "cap", "stable_after"):
        check_seconds(f"{name}.{field}", getattr(value, field), zero=True)
    check_rate(f"{name}.budget", value.budget)
