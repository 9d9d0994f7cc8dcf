"""Why connections end: a few fixed reasons, counted and logged once for each connection."""

import logging
from typing import Final, Literal

from tautwire.server.counts import Counts

log = logging.getLogger("tautwire.server.rtm")

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
    "failed",
    "peer",
    "lost",
]
"""slow: the peer did not read for too long · backlog: too many bytes waited · silent: no frame came for too long · too
fast, too big: the peer's frames · protocol: the peer broke the rules of WebSocket · refused: the ticket in the URL was
not valid · revoked: the token was revoked or has expired, or the user was deactivated ·
failed: an internal error · peer: the peer sent a Close · lost: the socket ended without a Close."""

TOO_BIG: Final = 1009


def of_close(code: int) -> Ending:
    """Return the reason of a Close that a session asks for, by its code."""
    return "too big" if code == TOO_BIG else "too fast"


def note(counts: Counts, number: int, user: str, ending: Ending) -> None:
    """Count and log the end of a connection; ``user`` is empty if its ticket was not valid."""
    counts.endings[ending] += 1
    log.info("connection %d of %s ended: %s", number, user or "an unknown caller", ending)
