"""One budget of attempts for all clients of a token in this process: together they ask no more often than one may."""

import asyncio
import hashlib
import threading
from typing import Final
from weakref import WeakValueDictionary

from tautwire.client.settings import Settings
from tautwire.session.governor import Allowance
from tautwire.session.ratelimit import Rate

_Key = tuple[bytes, str, Rate, type[asyncio.AbstractEventLoop]]

_KNOWN: Final["WeakValueDictionary[_Key, Allowance]"] = WeakValueDictionary()
"""By hashed token, address, budget, and kind of loop, since a loop of a kind of its own may have a clock of its own."""

_LOCK: Final = threading.Lock()


class _Shared(Allowance):
    """An allowance that clients use from several threads."""

    def __init__(self, budget: Rate, now: float) -> None:
        super().__init__(budget, now)
        self._lock = threading.Lock()

    def wait(self, now: float) -> float:
        with self._lock:
            return super().wait(now)

    def take(self, now: float) -> bool:
        with self._lock:
            return super().take(now)

    def hold(self, until: float) -> None:
        with self._lock:
            super().hold(until)

    def give_back(self) -> None:
        with self._lock:
            super().give_back()


def allowance_for(settings: Settings, loop: asyncio.AbstractEventLoop) -> Allowance:
    """Return the budget of a token; it is forgotten when the last client of the token is closed."""
    token = hashlib.sha256(settings.token.reveal().encode()).digest()
    key = (token, settings.base_url, settings.backoff.budget, type(loop))
    with _LOCK:
        allowance = _KNOWN.get(key)
        if allowance is None:
            allowance = _KNOWN[key] = _Shared(settings.backoff.budget, loop.time())
        return allowance
