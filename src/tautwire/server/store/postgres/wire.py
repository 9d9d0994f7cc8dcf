"""The socket under a connection: what psycopg has no call for."""

import contextlib
import os
import select
import socket

import psycopg

from tautwire.server.store.postgres.values import Connection


def flush(connection: Connection) -> None:
    """Write what is queued, and read what comes meanwhile."""
    wire = connection.pgconn
    while wire.flush():
        if _poll(connection, select.POLLIN | select.POLLOUT) & select.POLLIN:
            wire.consume_input()


def wait(connection: Connection, seconds: float) -> bool:
    """Wait until there is something to read; return False if nothing came in time."""
    return _poll(connection, select.POLLIN, seconds) != 0


def is_alive(connection: Connection) -> bool:
    """Whether an idle connection was not closed by the other side, as far as is known here. It does not wait."""
    try:
        while wait(connection, 0):
            connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return True


def sever(connection: Connection) -> None:
    """End the socket of a connection under a thread that waits for it; the thread gets an error."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)


def _poll(connection: Connection, events: int, seconds: float | None = None) -> int:
    """Wait for events; return those that came, 0 if none came in time."""
    poll = select.poll()  # select.select() refuses files beyond number 1,023, which a server with many clients has
    poll.register(connection.pgconn.socket, events)
    found = poll.poll(None if seconds is None else seconds * 1_000)
    return found[0][1] if found else 0
