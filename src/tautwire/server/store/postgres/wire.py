"""What a connection's socket says, without a query: whether it is alive, and its end under a thread that waits."""

import contextlib
import os
import select
import socket

import psycopg

from tautwire.server.store.postgres.values import Connection


def poll(connection: Connection, events: int, timeout: float | None = None) -> int:
    """Wait for events of a connection's socket; return those that came, 0 after ``timeout`` seconds."""
    waiting = select.poll()  # select.select() refuses files beyond number 1,023, which a server with many clients has
    waiting.register(connection.pgconn.socket, events)
    found = waiting.poll(None if timeout is None else timeout * 1_000)
    return found[0][1] if found else 0


def is_readable(connection: Connection, timeout: float) -> bool:
    """Whether bytes, or the end, come within so many seconds."""
    return poll(connection, select.POLLIN, timeout) != 0


def is_alive(connection: Connection) -> bool:
    """Whether the other side has not closed an idle connection, as far as is known here. It does not wait."""
    try:
        while is_readable(connection, 0):
            connection.pgconn.consume_input()
    except psycopg.Error:
        return False
    return True


def sever(connection: Connection) -> None:
    """End the socket of a connection under a thread that waits for it; the thread gets an error."""
    with contextlib.suppress(psycopg.Error, OSError), socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
