"""All connections of the listening socket: how many there are, from where, and how long each may wait.

A connection without a complete request costs a descriptor and some memory, and its peer has shown nothing yet. So its
time is short, and it is the first to go when there is no room for a new one. WebSockets and requests that are being
answered are never ended to make room.
"""

import logging
from collections.abc import Iterator
from enum import Enum
from ipaddress import IPv6Address, ip_network
from typing import Final, Protocol

from tautwire.server.clock import Clock
from tautwire.server.counts import Counts
from tautwire.server.health import Health

log = logging.getLogger("tautwire.server.http")

LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines about the same trouble."""
MAX_REFUSED: Final = 16
"""Connections over the limit that are answered at the same time; further ones are closed without an answer."""
MAX_HELD: Final = 67_108_864
"""Bytes of incomplete heads that all connections together may hold."""
_NEAR: Final = 0.9
_CLEAR: Final = 0.8
"""Shares of the limit at which "nearly full" begins and ends."""


class Phase(Enum):
    """What a connection is waiting for."""

    HEAD = "a complete request head: a new connection, or one that has begun a request"
    IDLE = "the next request (keep-alive)"
    DRAIN = "the end of a request that has its answer already"
    STALLED = "the peer to read its answer"
    FAREWELL = "the peer to close, after it was refused"


PATIENCE: Final = {Phase.HEAD: 10.0, Phase.IDLE: 5.0, Phase.DRAIN: 10.0, Phase.STALLED: 30.0, Phase.FAREWELL: 2.0}
"""How many seconds a connection may wait."""


class Connection(Protocol):
    """What is counted here: a connection of any protocol."""

    address: str | None
    """Under which address it is counted; empty for none, None if it is not counted (any more)."""
    phase: Phase | None
    """What it is waiting for; None while a request is being answered, and for WebSockets."""

    def expire(self, phase: Phase) -> None:
        """End the connection: it has waited too long, or has to make room."""


class Connections:
    """Counts, times and ends connections.

    Args:
        limit: connections in all.
        per_address: connections of one address.
    """

    def __init__(
        self, clock: Clock, health: Health, *, limit: int, per_address: int, counts: Counts | None = None
    ) -> None:
        self.counts = counts or Counts()
        """Where answers to what is no request are counted."""
        self.limit = limit
        self.per_address = per_address
        self.count = 0
        self._clock = clock
        self._health = health
        self._by_address: dict[str, int] = {}
        self._waiting: dict[Phase, dict[Connection, float]] = {phase: {} for phase in Phase}  # each oldest first
        self._held = 0
        self._refused = 0
        self._why_refused = ""
        self._refusals_told = -LOG_INTERVAL
        self._fullness_told = 0.0

    def enter(self, connection: Connection, address: str) -> bool:
        """Count a new connection; return False, and do not count it, if there is no room.

        Args:
            address: of the peer; empty if it is a trusted proxy, whose connections come from many.
        """
        key = _key(address)
        if self.count >= self.limit and not self._make_room(Phase.HEAD, Phase.IDLE, Phase.DRAIN):
            self._refuse(f"{self.count} of {self.limit} connections are open")
            return False
        if not self._count_address(key):
            return False
        self.count += 1
        connection.address = key
        return True

    def settle(self, connection: Connection, address: str) -> bool:
        """Count a connection that came through a proxy under the address that the proxy has named.

        Return False if that address has too many.

        Args:
            address: empty if the proxy has named none.
        """
        if connection.address:
            return True
        key = _key(address)
        if not self._count_address(key):
            return False
        connection.address = key
        return True

    def hold(self, size: int) -> None:
        """Count bytes of an incomplete head; if there are too many of all heads, the oldest ones are ended."""
        self._held += size
        while self._held > MAX_HELD and self._make_room(Phase.HEAD):
            pass

    def release(self, size: int) -> None:
        """Count bytes no more."""
        self._held -= size

    def move(self, old: Connection, new: Connection) -> None:
        """Count ``new`` in place of ``old``: the same socket with another protocol."""
        self.proceed(old)
        new.address, old.address = old.address, None

    def leave(self, connection: Connection) -> None:
        """Count a connection no more; harmless if it was not counted."""
        self.proceed(connection)
        key, connection.address = connection.address, None
        if key is None:
            return
        self.count -= 1
        if key:
            left = self._by_address[key] - 1
            if left:
                self._by_address[key] = left
            else:
                del self._by_address[key]

    def wait(self, connection: Connection, phase: Phase) -> None:
        """Start the time that a connection has."""
        self.proceed(connection)
        connection.phase = phase
        self._waiting[phase][connection] = self._clock.monotonic()

    def proceed(self, connection: Connection) -> None:
        """Stop the time that a connection has: what it waited for has come."""
        if connection.phase is not None:
            del self._waiting[connection.phase][connection]
            connection.phase = None

    @property
    def takes_farewells(self) -> bool:
        """Whether one more connection may be refused politely, which takes some time."""
        return len(self._waiting[Phase.FAREWELL]) < MAX_REFUSED

    def sweep(self) -> None:
        """End the connections whose time is up, and watch how full it is; call it about once a second."""
        now = self._clock.monotonic()
        for connection, phase in list(self._due(now)):
            self._end(connection, phase)
        if self.count >= _NEAR * self.limit:
            self._tell_fullness(now)
        elif self.count < _CLEAR * self.limit:
            self._health.clear("descriptors")
        self._tell_refusals(now)

    def _due(self, now: float) -> Iterator[tuple[Connection, Phase]]:
        for phase, waiting in self._waiting.items():
            for connection, since in waiting.items():
                if now - since < PATIENCE[phase]:
                    break
                yield connection, phase

    def _make_room(self, *phases: Phase) -> bool:
        """End the connection that has waited longest for one of these; return False if there is none."""
        oldest: tuple[float, Connection, Phase] | None = None
        for phase in phases:
            for connection, since in self._waiting[phase].items():
                if oldest is None or since < oldest[0]:
                    oldest = since, connection, phase
                break
        if oldest is None:
            return False
        self._end(oldest[1], oldest[2])
        return True

    def _end(self, connection: Connection, phase: Phase) -> None:
        self.leave(connection)  # now, not when the socket is gone: its room is needed
        connection.expire(phase)

    def _count_address(self, key: str) -> bool:
        if not key:
            return True
        count = self._by_address.get(key, 0)
        if count >= self.per_address:
            self._refuse(f"{key} has {count} connections, the most that one address may have")
            return False
        self._by_address[key] = count + 1
        return True

    def _refuse(self, why: str) -> None:
        self._refused += 1
        self._why_refused = why
        self._tell_refusals(self._clock.monotonic())

    def _tell_refusals(self, now: float) -> None:
        if self._refused and now - self._refusals_told >= LOG_INTERVAL:
            log.warning("connections refused: %d, the last because %s", self._refused, self._why_refused)
            self._refusals_told = now
            self._refused = 0

    def _tell_fullness(self, now: float) -> None:
        reason = (
            f"{self.count} of {self.limit} connections are open: raise --max-connections, and the number of files "
            "that the process may open (LimitNOFILE)"
        )
        is_new = "descriptors" not in self._health.faults
        self._health.fault("descriptors", reason)  # which logs it when it is new
        if is_new:
            self._fullness_told = now
        elif now - self._fullness_told >= LOG_INTERVAL:
            log.warning("still nearly full: %s", reason)
            self._fullness_told = now


def _key(address: str) -> str:
    """Return under what an address is counted: a host with IPv6 has all of a /64, so that counts as one."""
    if ":" not in address:
        return address
    try:
        mapped = IPv6Address(address.partition("%")[0]).ipv4_mapped
    except ValueError:
        return address
    return str(mapped) if mapped else str(ip_network((address.partition("%")[0], 64), strict=False))
