"""The errors of psycopg as errors of the port."""

from collections.abc import Callable
from typing import Final, TypeVar

import psycopg

from tautwire.server.store.engine import DamagedError, DisconnectedError, StatementError, StoreError
from tautwire.server.store.postgres.values import Connection

T = TypeVar("T")

_DAMAGED: Final = ("XX001", "XX002")
_STATEMENT: Final = ("21", "22", "23", "42", "0A")
"""Classes of SQLSTATE that are errors of a statement or a value.
Source: PostgreSQL's manual, appendix "PostgreSQL Error Codes"."""
_GONE: Final = ("57P", "08", "26")
"""Beginnings of SQLSTATE with which the server ends a connection or refuses it while it starts; and 26, a prepared
statement that is not there: psycopg takes one for prepared that was skipped behind another that failed, for as long as
the connection lives. (Read in psycopg 3.3, _preparing.py: in a pipeline it validates no statement that it has counted.)
"""


def is_lost(connection: Connection, error: Exception) -> bool:
    """Whether an error means that the connection is of no use any more."""
    if connection.closed or connection.broken:
        return True
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return str(state).startswith(_GONE)
    return isinstance(error, psycopg.OperationalError)


def translate(connection: Connection, error: Exception) -> Exception:
    """Return the error of the port for an error of psycopg."""
    if isinstance(error, UnicodeEncodeError):
        return StatementError(str(error))
    if not isinstance(error, psycopg.Error):
        return error
    text = first_line(error)
    if is_lost(connection, error):
        return DisconnectedError(f"the connection to PostgreSQL is lost: {text}")
    state = error.sqlstate or ""
    if state in _DAMAGED:
        return DamagedError(text)
    if state.startswith(_STATEMENT) or isinstance(error, psycopg.DataError):
        return StatementError(text)
    return StoreError(text)


def guarded(connection: Connection, step: Callable[[], T]) -> T:
    """Run a step on a connection that is not in pipeline mode, with the errors of the port."""
    try:
        return step()
    except psycopg.Error as error:
        raise translate(connection, error) from None


def first_line(error: BaseException) -> str:
    """Return the first line of a message: the others repeat the statement, which may hold what users wrote."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
