"""Positions as clients see them: those that this log can continue, and those of a log that was lost.

Theory. A position is a number in the log, and the log can lose its end without notice to the clients: a backup is
restored, the data directory is emptied, a power loss drops commits that were not flushed. The numbers are then given to
other entries. So each start of the server begins an *epoch* with a random id, and the log keeps where each epoch began.
A client's position ``epoch.number`` is on this log exactly if the log knows the epoch and the number is not beyond its
end, which is where the next epoch began. Entries that were lost belong to an epoch that the log does not know, or lie
beyond the end of one that it knows. Kafka's leader epochs work the same way.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from tautwire.server.store.engine import Query
from tautwire.server.store.queries.log import add_epoch, delete_old_epochs, find_epochs
from tautwire.server.store.statements import Statements

MAX_EPOCHS: Final = 200
"""Epochs that are kept. A client that missed more starts of the server than that gets ``resync``."""

_POSITION: Final = re.compile(r"([\w-]{1,32})\.(\d{1,18})", re.ASCII)


class Epoch(NamedTuple):
    """One run of the server."""

    id: str
    start: int
    """The head of the log at its beginning."""


class Epochs:
    """The epochs that the log knows, oldest first; the last is the current one."""

    def __init__(self, epochs: Sequence[Epoch]) -> None:
        self.current = epochs[-1].id
        ends = [later.start for later in epochs[1:]]
        self._ends = dict(zip((epoch.id for epoch in epochs), ends, strict=False))

    def mark(self, number: int) -> str:
        """Return a place in the log in the form that clients get."""
        return f"{self.current}.{number}"

    def find(self, position: str, head: int) -> int | None:
        """Return the number that a client's position has in this log, None if it belongs to another log."""
        match = _POSITION.fullmatch(position)
        if match is None:
            return None
        number = int(match[2])
        end = head if match[1] == self.current else self._ends.get(match[1], -1)
        return number if number <= end else None


def begin_epoch(tx: Statements) -> None:
    """Begin an epoch at the head of the log, and delete the oldest ones. Run at each start and by each restore."""
    add_epoch(tx, secrets.token_urlsafe(8))
    delete_old_epochs(tx, keep=MAX_EPOCHS)


def read_epochs(query: Query) -> Epochs:
    """Return the epochs of the log; there is at least one after ``begin_epoch``."""
    return Epochs([Epoch(row["id"], row["start"]) for row in find_epochs(query)])
