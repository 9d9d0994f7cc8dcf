"""When attempts to connect are made: after the back-off's pause, within the budget of the token, or when the user asks.

``Attempts`` gives the rules of ``tautwire.session.governor`` a clock, chance, sleep and log.
``client/connection/supervisor`` makes the attempts.
"""

import asyncio
import random
from collections.abc import Callable

from tautwire.client.connection.budget import allowance_for
from tautwire.client.guard import isolated
from tautwire.client.log import LOG
from tautwire.client.settings import Settings
from tautwire.session.governor import Governor


class Attempts:
    """The attempts of one client, one after the other.

    Args:
        settings: have the back-off, and the token whose budget counts.
        waits: called before each wait.
    """

    def __init__(self, settings: Settings, waits: Callable[[], None]) -> None:
        self.is_asked_for = True
        """Whether the user asked for the next attempt: then it is made without jitter, and in any case."""
        self.is_under_way = False
        self._settings = settings
        self._waits = waits
        self._governor: Governor | None = None
        self._due: float | None = None
        """When the next attempt is made, if a failure has said so already."""

    def begin(self) -> None:
        """Begin anew: the next attempt is one that the user asked for. What failed before is not forgotten."""
        self.is_asked_for = True
        self._due = None
        if self._governor is None:
            allowance = allowance_for(self._settings, asyncio.get_running_loop())
            self._governor = Governor(self._settings.backoff, _now(), allowance)

    def close(self) -> None:
        """Make no attempt any more. With the last client of a token its budget is forgotten."""
        self._governor = None

    async def wait(self) -> None:
        """Wait for the time of the next attempt, take it from the budget, and begin it."""
        governor = self._required()
        if self._due is None:
            delay = self._delay(governor)
            if delay > 0:
                LOG.info("next attempt to connect in %.1f s", delay)
        else:  # it is in the log with the failure
            delay, self._due = self._due - _now(), None
        if delay > 0:
            self._waits()
            await asyncio.sleep(delay)
        while not governor.attempted(_now()):  # another client of the token was quicker, or has to wait
            delay = governor.delay(_now(), 0.0)
            if delay > 1:
                LOG.info("next attempt to connect in %.1f s, after another client's", delay)
            self._waits()
            await asyncio.sleep(delay)
        self.is_asked_for = False
        self.is_under_way = True

    def ended(self) -> None:
        """Called when an attempt is over, however it went."""
        self.is_under_way = False
        if self._governor is not None:
            self._governor.ended_attempt()

    def failed(self, retry_after: float) -> None:
        """Called when an attempt failed, with the seconds that the server asks to wait."""
        self._required().failed(_now(), retry_after)

    def schedule(self) -> float:
        """Settle when the next attempt is made; return the seconds until then, for the log."""
        delay = self._delay(self._required())
        self._due = _now() + delay
        return delay

    def opened(self) -> None:
        """Called when a connection got its hello."""
        self.is_asked_for = False
        if self._governor is not None:
            isolated(self._governor.opened, _now())

    def lost(self) -> None:
        """Called when a connection ended that the user did not end. One that did not last counts as a failure."""
        if self._governor is not None:
            isolated(self._governor.ended, _now())

    def _delay(self, governor: Governor) -> float:
        return governor.delay(_now(), 0.0 if self.is_asked_for else random.random())  # noqa: S311 (jitter)

    def _required(self) -> Governor:
        if self._governor is None:
            raise RuntimeError("attempts have not begun")
        return self._governor


def _now() -> float:
    return asyncio.get_running_loop().time()
