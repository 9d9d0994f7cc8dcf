"""The connections of one door: their number, the sweep that closes dead and slow ones, and the stop.

The door adds each connection when it opens and removes it when its socket is closed. ``sweep`` is called about once a
second for all of them, instead of a timer for each.
"""

import asyncio
import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from tautwire.server.clock import Clock
from tautwire.server.counts import Traffic
from tautwire.server.sockets import endings
from tautwire.server.sockets.connection import SocketConnection
from tautwire.server.sockets.endings import GOING_AWAY, REVOKED, TOO_SLOW

CLOSE_PATIENCE: Final = 5.0
"""Seconds that a peer has to answer a Close."""
END_PATIENCE: Final = 2.0
"""Seconds that the peers have to answer a Close when the server stops."""

C = TypeVar("C", bound=SocketConnection)

_numbers: Final = itertools.count(1)
"""The numbers of connections, of all doors of the process: a line of the log names one connection."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a door waits for its peers. All values are seconds."""

    ping_interval: float
    """Silence after which a peer gets a PING; with ``pings_always`` the time between two PINGs."""
    silence_limit: float
    """Silence after which the socket is dropped."""
    slow_deadline: float
    """Time that a peer may not read until it is closed with 1008."""
    drain: float
    """Time between goodbye and Close at a stop."""
    pings_always: bool = False
    """Whether peers get PINGs however busy they are: some clients measure the server by them."""


class Keeper(Generic[C]):
    """Counts, sweeps and stops the connections of a door.

    Args:
        give_up: ends a connection because of an internal error; a failure of one is no failure of the others.
    """

    def __init__(
        self, policy: Policy, *, clock: Clock, traffic: Traffic, give_up: Callable[[C, str, Exception], None]
    ) -> None:
        self.is_stopping = False
        """Whether the door should open no more connections."""
        self._policy = policy
        self._clock = clock
        self._traffic = traffic
        self._give_up = give_up
        self._connections: dict[int, C] = {}
        self._empty = asyncio.Event()

    @property
    def connections(self) -> Collection[C]:
        """All connections with an open socket, including those that are opening or closing."""
        return self._connections.values()

    def next_number(self) -> int:
        """Return the number of a new connection, unique in this process."""
        return next(_numbers)

    def add(self, connection: C) -> None:
        """Look after a connection from now on: its socket is open."""
        self._connections[connection.number] = connection

    def note_end(self, connection: C) -> None:
        """Count and log why a connection ended."""
        ending = connection.ending or ("peer" if connection.left else "lost")
        endings.note(self._traffic, connection.number, connection.user, ending)

    def remove(self, connection: C) -> None:
        """Forget a connection: its socket is closed."""
        self._connections.pop(connection.number, None)
        if not self._connections:
            self._empty.set()

    def sweep(self) -> None:
        """Ping connections, close dead and slow ones; to be called about once a second."""
        now = self._clock.monotonic()
        self._for_each(lambda connection: self._look_after(connection, now), "the sweep failed for it")

    async def stop(self) -> None:
        """Send goodbye to all connections, wait for the drain time, close with 1001, and drop the remaining sockets."""
        self.is_stopping = True
        self._for_each(self._say_goodbye, "goodbye could not be sent")
        if self._connections:
            await asyncio.sleep(self._policy.drain)
        now = self._clock.monotonic()
        self._empty.clear()
        self._for_each(lambda connection: self._close(connection, now), "it could not be closed")
        if self._connections:
            try:
                async with asyncio.timeout(END_PATIENCE):
                    await self._empty.wait()
            except TimeoutError:
                self._for_each(SocketConnection.abort, "it could not be dropped")

    def close_where(self, is_refused: Callable[[C], bool]) -> None:
        """Close connections whose token is no longer accepted, with 1008, which is a policy of the server.

        The code is ours: clients attach no meaning to it. Source: wire/frames.md#the-websocket-layer.
        """
        now = self._clock.monotonic()

        def close(connection: C) -> None:
            if connection.ended is None and is_refused(connection):
                connection.ending = "revoked"
                connection.end(REVOKED, "the token is no longer accepted", now)

        self._for_each(close, "it could not be closed")

    def _look_after(self, connection: C, now: float) -> None:
        policy = self._policy
        silence = now - connection.heard
        if connection.ended is not None:
            if now - connection.ended > CLOSE_PATIENCE:
                connection.abort()
        elif silence > policy.silence_limit:
            connection.ending = "silent"
            connection.abort()
        elif connection.slow_since is not None and now - connection.slow_since > policy.slow_deadline:
            connection.ending = "slow"
            connection.end(TOO_SLOW, "too slow", now)
        elif policy.pings_always:
            if now - connection.pinged >= policy.ping_interval:
                connection.ping(now)
        elif silence > policy.ping_interval and connection.pinged <= connection.heard:  # one PING for each silence
            connection.ping(now)

    def _for_each(self, step: Callable[[C], None], why: str) -> None:
        """Call a step for every connection; a connection for which it raises is dropped, the others go on."""
        for connection in list(self._connections.values()):
            try:
                step(connection)
            except Exception as error:  # noqa: BLE001 - logged there
                self._give_up(connection, why, error)

    def _close(self, connection: C, now: float) -> None:
        connection.ending = connection.ending or "server stops"
        connection.end(GOING_AWAY, "the server stops", now)

    def _say_goodbye(self, connection: C) -> None:
        goodbye = connection.goodbye()
        if goodbye is not None:
            connection.send(goodbye)
