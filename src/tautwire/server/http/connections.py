"""All connections of the listening socket: their number, their origin, and how long each may wait.

A connection without a complete request costs a descriptor and some memory, and its peer has not proven anything. So its
waiting time is short, and it is the first to be closed when a new connection needs its place. WebSockets and requests
that are being answered are never closed to make room.

Every protocol of the room (``Front``, ``HttpProtocol``, ``Farewell``, ``WebSocket``) reports its connection here:
``enter`` and ``leave`` count it, ``wait`` and ``proceed`` start and stop its timer, ``move`` passes the count on when
the socket changes its protocol. Timers are one dictionary for each phase, in the order of their start, so a sweep looks
only at those that have expired.
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
"""Seconds between two log lines about the same problem."""
MAX_REFUSED: Final = 16
"""Refused connections that get an answer at the same time; further ones are closed without an answer."""
MAX_HELD: Final = 67_108_864
"""Bytes of incomplete heads that all connections together may hold."""
_NEAR: Final = 0.9
_CLEAR: Final = 0.8
"""Shares of the limit at which "nearly full" begins and ends."""


class Phase(Enum):
    """The event a connection waits for."""

    HEAD = "a complete request head: the connection is new, or a request has begun"
    IDLE = "the next request (keep-alive)"
    DRAIN = "the end of a request whose response is complete"
    STALLED = "the peer to read the response"
    FAREWELL = "the peer to close, after a refusal"


PATIENCE: Final = {Phase.HEAD: 10.0, Phase.IDLE: 5.0, Phase.DRAIN: 10.0, Phase.STALLED: 30.0, Phase.FAREWELL: 2.0}
"""Seconds that a connection may wait in each phase."""


class Connection(Protocol):
    """A connection of any protocol, as it is counted here."""

    address: str | None
    """The address under which it is counted; empty if under none, None if it is not counted (any more)."""
    phase: Phase | None
    """The event it waits for; None while a request is being answered, and for WebSockets."""

    def expire(self, phase: Phase) -> None:
        """Close the connection: its time is over, or a new connection needs its place."""


class Connections:
    """Counts, times and ends connections.

    Args:
        limit: maximum number of connections.
        per_address: maximum number of connections of one address.
    """

    def __init__(
        self, clock: Clock, health: Health, *, limit: int, per_address: int, counts: Counts | None = None
    ) -> None:
        self.counts = counts or Counts()
        """Counts the responses to bytes that are not a valid request."""
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
        self._refusals_logged_at = -LOG_INTERVAL
        self._fullness_logged_at = 0.0

    def enter(self, connection: Connection, address: str) -> bool:
        """Count a new connection; return False, without counting it, if a limit is reached.

        Args:
            address: of the peer; empty for a trusted proxy, which connects for many clients.
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
        """Count a connection of a trusted proxy under the address that the proxy has forwarded.

        Return False if that address has too many connections.

        Args:
            address: empty if the proxy forwarded none.
        """
        if connection.address:
            return True
        key = _key(address)
        if not self._count_address(key):
            return False
        connection.address = key
        return True

    def hold(self, size: int) -> None:
        """Count bytes of an incomplete head; above ``MAX_HELD`` close the connections whose heads are oldest."""
        self._held += size
        while self._held > MAX_HELD and self._make_room(Phase.HEAD):
            pass

    def release(self, size: int) -> None:
        """Stop counting bytes of a head."""
        self._held -= size

    def move(self, old: Connection, new: Connection) -> None:
        """Count ``new`` in place of ``old``: the same socket with another protocol."""
        self.proceed(old)
        new.address, old.address = old.address, None

    def leave(self, connection: Connection) -> None:
        """Stop counting a connection; no effect if it is not counted."""
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
        """Start the timer of a connection for a phase."""
        self.proceed(connection)
        connection.phase = phase
        self._waiting[phase][connection] = self._clock.monotonic()

    def proceed(self, connection: Connection) -> None:
        """Stop the timer of a connection: the event has come."""
        if connection.phase is not None:
            del self._waiting[connection.phase][connection]
            connection.phase = None

    @property
    def takes_farewells(self) -> bool:
        """Whether one more refused connection may wait for its peer to close."""
        return len(self._waiting[Phase.FAREWELL]) < MAX_REFUSED

    def sweep(self) -> None:
        """Close the connections whose time is over, and report nearly full; to be called about once a second."""
        now = self._clock.monotonic()
        for connection, phase in list(self._due(now)):
            self._end(connection, phase)
        if self.count >= _NEAR * self.limit:
            self._log_fullness(now)
        elif self.count < _CLEAR * self.limit:
            self._health.clear("descriptors")
        self._log_refusals(now)

    def _due(self, now: float) -> Iterator[tuple[Connection, Phase]]:
        for phase, waiting in self._waiting.items():
            for connection, since in waiting.items():
                if now - since < PATIENCE[phase]:
                    break
                yield connection, phase

    def _make_room(self, *phases: Phase) -> bool:
        """Close the connection that has waited longest in one of these phases; return False if there is none."""
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
        self.leave(connection)  # now and not when the socket is closed: the new connection takes its place
        connection.expire(phase)

    def _count_address(self, key: str) -> bool:
        if not key:
            return True
        count = self._by_address.get(key, 0)
        if count >= self.per_address:
            self._refuse(f"{key} has {count} connections, the maximum of one address")
            return False
        self._by_address[key] = count + 1
        return True

    def _refuse(self, why: str) -> None:
        self._refused += 1
        self._why_refused = why
        self._log_refusals(self._clock.monotonic())

    def _log_refusals(self, now: float) -> None:
        if self._refused and now - self._refusals_logged_at >= LOG_INTERVAL:
            log.warning("connections refused: %d, the last because %s", self._refused, self._why_refused)
            self._refusals_logged_at = now
            self._refused = 0

    def _log_fullness(self, now: float) -> None:
        reason = (
            f"{self.count} of {self.limit} connections are open: raise --max-connections, and the number of files "
            "that the process may open (LimitNOFILE)"
        )
        is_new = "descriptors" not in self._health.faults
        self._health.fault("descriptors", reason)  # logs a new fault
        if is_new:
            self._fullness_logged_at = now
        elif now - self._fullness_logged_at >= LOG_INTERVAL:
            log.warning("still nearly full: %s", reason)
            self._fullness_logged_at = now


def _key(address: str) -> str:
    """Return the key that counts an address: an IPv6 host owns all of a /64, so the network counts as one."""
    if ":" not in address:
        return address
    try:
        mapped = IPv6Address(address.partition("%")[0]).ipv4_mapped
    except ValueError:
        return address
    return str(mapped) if mapped else str(ip_network((address.partition("%")[0], 64), strict=False))
