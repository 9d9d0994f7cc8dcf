"""Why connections end: a few fixed reasons, counted and logged once for each connection."""

import logging
from typing import Final, Literal

from tautwire.server.counts import Counts

log = logging.getLogger("tautwire.server.rtm")

Ending = Literal[
    "slow", "backlog", "silent", "too fast", "too big", "protocol", "server stops", "refused", "failed", "peer", "lost"
]
"""slow: could not be written to for too long · backlog: too much waited for it · silent: nothing was heard of it · too
fast, too big: its frames · protocol: it broke the rules of WebSocket · refused: its URL was no good (any more) ·
failed: an error of the server · peer: it said that it closes · lost: it was cut."""

TOO_BIG: Final = 1009


def of_close(code: int) -> Ending:
    """Return the reason for which a session asks for a Close with this code."""
    return "too big" if code == TOO_BIG else "too fast"


def note(counts: Counts, number: int, user: str, ending: Ending) -> None:
    """Count and log the end of a connection; ``user`` is empty if its URL was no good."""
    counts.endings[ending] += 1
    log.info("connection %d of %s ended: %s", number, user or "an unknown caller", ending)
