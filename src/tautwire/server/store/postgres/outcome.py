"""What became of a transaction whose COMMIT was not answered.

Its number does not prove that it is stored. After a crash, PostgreSQL gives the numbers of transactions that left no
trace on disk again, perhaps to another application, which commits. But every transaction of a writer locks the row of
the workspace. So that row has to show the transaction or, if other writers went on, a later one.
"""

from typing import Any, Final

import psycopg

from tautwire.server.store.engine import StoreError
from tautwire.server.store.postgres.errors import guarded
from tautwire.server.store.postgres.values import Connection

_NUMBERS: Final = 2**32
"""A row shows the lower half of a number; of two, the later one is less than half of all ahead.
Source: PostgreSQL's manual, "System Columns" and "Preventing Transaction ID Wraparound Failures"."""


def was_committed(connection: Connection, transaction: str) -> bool:
    """Return whether a transaction is stored.

    Raises:
        StoreError: it is still in progress, or so old that PostgreSQL has forgotten it.
    """
    state = guarded(connection, lambda: _state(connection, transaction))
    if state not in ("committed", "aborted"):  # the old connection has not seen yet that its peer is gone
        raise StoreError(f"transaction {transaction} is {state or 'too old'}")
    return bool(state == "committed" and guarded(connection, lambda: _has_locked(connection, int(transaction))))


def _state(connection: Connection, transaction: str) -> Any:
    try:
        row = connection.execute("SELECT pg_xact_status(%s::xid8)", [transaction]).fetchone()
    except psycopg.errors.InvalidParameterValue:  # it is in the future: a crash has taken every trace of it
        return "aborted"
    return row[0] if row else None


def _has_locked(connection: Connection, transaction: int) -> bool:
    """Whether the row of the workspace was made or locked by this transaction or a later one."""
    seen = connection.execute("SELECT xmin::text::bigint, xmax::text::bigint FROM workspace").fetchone() or ()
    return any(number and (number - transaction) % _NUMBERS < _NUMBERS // 2 for number in seen)
