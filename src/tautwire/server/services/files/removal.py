"""Clears away what is not needed any more: the bytes of deleted files, and uploads that were not completed in time.

Deletion shares the writer's thread with posts. So each unit deletes a few pieces, and other units come between two.
"""

from functools import partial
from typing import Final

from tautwire.server.log.transaction import Transaction
from tautwire.server.services.due import Duty
from tautwire.server.services.files.uploads import drop
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.files import (
    State,
    delete_chunks,
    delete_file,
    find_due,
    find_file,
    find_next_due,
    set_size,
    set_state,
)

CHUNKS: Final = 4
"""Pieces that one unit deletes."""


def clear(tx: Transaction, file: str) -> None:
    """Delete some of the pieces of a file that is due, and at the end what else goes with them (a unit)."""
    drop(tx, file)
    record = find_file(tx, file)
    if record is None or record.state not in (State.DROPPED, State.DELETED):
        return
    if delete_chunks(tx, file, CHUNKS) == CHUNKS:
        return
    if record.state is State.DROPPED:
        delete_file(tx, file)
    else:  # the row stays: later calls about the file answer file_deleted
        set_size(tx, file, 0)
        set_state(tx, file, State.DELETED, None)


def keep(tx: Transaction, file: str) -> None:
    """Take a file from the list of what is due (a unit): to clear it away failed, and is not tried again."""
    record = find_file(tx, file)
    if record is not None:
        set_state(tx, file, record.state, None)


def duty() -> Duty:
    """Return the duty to clear away what is due, a unit at a time."""
    return Duty(
        _find, find_next_due, do=lambda file: partial(clear, file=file), drop=lambda file: partial(keep, file=file)
    )


def _find(query: Query, now: int, count: int) -> list[str]:
    file = find_due(query, now)
    return [file] if file is not None else []
