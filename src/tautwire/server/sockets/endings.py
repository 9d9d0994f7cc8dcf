"""Why connections end: a few fixed reasons, counted and logged once for each connection."""

import logging
from typing import Any, Final, Literal

from tautwire.server.counts import Traffic

log = logging.getLogger("tautwire.server.sockets")

Ending = Literal[
    "slow",
    "backlog",
    "silent",
    "too fast",
    "too big",
    "protocol",
    "server stops",
    "refused",
    "revoked",
    "renewed",
    "disabled",
    "failed",
    "peer",
    "lost",
]
"""slow: the peer did not read for too long · backlog: too many bytes waited · silent: no frame came for too long · too
fast, too big: the peer's frames · protocol: the peer broke the rules of WebSocket · refused: the ticket in the URL was
not valid · revoked: the token was revoked or has expired, or the user was deactivated · renewed: the connection was as
old as it may be · disabled: its app has no such connections any more · failed: an internal error · peer: the peer sent
a Close · lost: the socket ended without a Close."""

GOING_AWAY: Final = 1001
BROKEN_RULES: Final = 1002
TOO_SLOW: Final = 1008
REVOKED: Final = 1008
TOO_BIG: Final = 1009
"""Codes of a Close. Source: RFC 6455 section 7.4.1."""


def may_be_sent(code: Any) -> bool:
    """Return whether a Close frame may carry this code. Source: RFC 6455 section 7.4 and IANA's list of 2026."""
    return bool(1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999)


def note(traffic: Traffic, number: int, user: str, ending: Ending) -> None:
    """Count and log the end of a connection; ``user`` is empty if its ticket was not valid."""
    traffic.endings[ending] += 1
    log.info("connection %d of %s ended: %s", number, user or "an unknown caller", ending)
