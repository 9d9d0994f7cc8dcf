"""The scopes of the upstream's app: which it has, and which are missed.

Every answer names the scopes of its token in the header ``X-OAuth-Scopes``. A call that is refused for want of a scope
is logged with the change to make, once for each scope and hour, whichever part of the gateway has made it.
Source: wire/web-api.md#answers (documented).
"""

import logging
from collections.abc import Mapping
from typing import Final

from tautwire.server.clock import Clock
from tautwire.server.services.access.identity import UMBRELLA

log = logging.getLogger("tautwire.gateway")

PAUSE: Final = 3_600.0
"""Seconds until a missing scope is logged again."""
MAX_NOTED: Final = 200
"""Scopes whose last line in the log is remembered."""
HEADER: Final = "X-OAuth-Scopes"


class Scopes:
    """What is known of the scopes of the bot token."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._granted: frozenset[str] | None = None
        self._noted: dict[str, tuple[float, str]] = {}  # when a scope was logged last, and for what

    @property
    def missed(self) -> Mapping[str, str]:
        """What was refused for want of a scope that the app still has not got, by the scope.

        A scope may be one of several with commas between them.
        """
        granted = self._granted or frozenset()
        return {
            scope: what
            for scope, (_, what) in self._noted.items()
            if UMBRELLA not in granted and granted.isdisjoint(scope.split(","))
        }

    def read(self, headers: Mapping[str, str]) -> None:
        """Take the scopes from the headers of an answer to a call with the bot token."""
        found = headers.get(HEADER)
        if found is not None:
            self._granted = frozenset(each.strip() for each in found.split(",") if each.strip())

    def lacks(self, scope: str) -> bool:
        """Whether the app has certainly not got a scope; False if no answer has told."""
        return self._granted is not None and scope not in self._granted and UMBRELLA not in self._granted

    def missing(self, what: str, scopes: str) -> None:
        """Log that something needs a scope that the app has not got, one of several with commas between them."""
        scope = scopes[:200] or "of the method"
        now = self._clock.monotonic()
        if scope in self._noted and now < self._noted[scope][0] + PAUSE:
            return
        if len(self._noted) >= MAX_NOTED:
            self._noted.clear()
        self._noted[scope] = now, what
        log.warning("%s needs the scope %s, which the app has not got: %s", what, scope, change_for(scope))


def change_for(scope: str) -> str:
    """Return what gives the app a scope, one of several with commas between them."""
    added = " or ".join(scope.split(","))
    return f"add {added} to oauth_config.scopes.bot in the app's manifest, and install the app again"
