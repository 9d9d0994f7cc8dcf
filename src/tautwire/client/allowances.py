"""One allowance for all clients of a token in this process: together they may not ask more often than one may alone."""

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


def allowance_for(settings: Settings, loop: asyncio.AbstractEventLoop) -> Allowance:
    """Return the allowance of a token; it is forgotten when the last client of the token is closed."""
    token = hashlib.sha256(settings.token.reveal().encode()).digest()
    key = (token, settings.base_url, settings.backoff.budget, type(loop))
    with _LOCK:
        allowance = _KNOWN.get(key)
        if allowance is None:
            allowance = _KNOWN[key] = Allowance(settings.backoff.budget, loop.time())
        return allowance
