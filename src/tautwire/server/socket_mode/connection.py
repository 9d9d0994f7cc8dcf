"""One Socket Mode connection, on the shell of a server WebSocket: it gets envelopes and sends acknowledgements.

Everything about the socket is the shell's (``sockets.connection``). Source of the frames: wire/socket-mode.md.
"""

from datetime import UTC, datetime
from typing import ClassVar, Final, Protocol

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Traffic
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.tickets import Ticket
from tautwire.server.services.interactivity.requests import MAX_ACK
from tautwire.server.sockets.connection import SocketConnection
from tautwire.server.sockets.flusher import Flusher
from tautwire.server.sockets.host import Host
from tautwire.server.sockets.keeper import Keeper, Policy

SESSION_TIME: Final = 3_600
"""Seconds that a connection lasts; the client then dials anew.
Source: wire/socket-mode.md#server-frames (the figure of the sample)."""
DEBUG_TIME: Final = 360
"""The same for a client that asks for ``debug_reconnects``. Source: wire/socket-mode.md#opening (documented)."""
PING_INTERVAL: Final = 15.0
"""Seconds between two PINGs at most: clients measure the server by them.
Source: wire/socket-mode.md#what-sdks-need-of-the-transport."""
WARNING_TIME: Final = 10
"""Seconds between the warning and the close. Source: wire/socket-mode.md#server-frames."""

REFRESH: Final = "refresh_requested"
WARNING: Final = "warning"
DISABLED: Final = "link_disabled"
TOO_MANY: Final = "too_many_websockets"


class Ack(msgspec.Struct):
    """An acknowledgement. Source: wire/socket-mode.md#acknowledgements."""

    envelope_id: str
    payload: msgspec.Raw = msgspec.Raw()  # not in a union: msgspec decodes that only from null
    """The answer to a command or an interaction."""


_decode: Final = msgspec.json.Decoder(Ack).decode


class LinkHost(Host, Protocol):
    """The Socket Mode door, as its connections see it."""

    def acknowledged(self, connection: "LinkConnection", ack: Ack) -> None:
        """Called with an acknowledgement of the client."""


class LinkConnection(SocketConnection):
    """One live Socket Mode connection.

    Args:
        number: unique among the connections of this process; never 0.
        ticket: what apps.connections.open agreed; None if the ticket in the URL is not valid.
        lifetime: seconds until the server asks the client to dial anew.
    """

    __slots__ = ("_is_warned", "lifetime", "opened_at", "ticket")

    _host: LinkHost
    max_message: ClassVar[int] = MAX_ACK

    def __init__(self, number: int, ticket: Ticket | None, lifetime: float, host: LinkHost) -> None:
        super().__init__(number, host)
        self.ticket = ticket
        self.lifetime = lifetime
        self.opened_at = 0.0
        self._is_warned = False

    @property
    def who(self) -> Identity | None:
        """The identity of the app's token; None without a ticket."""
        return self.ticket.who if self.ticket is not None else None

    @property
    def user(self) -> str:
        """The id of the app, for the log."""
        return (self.ticket.who.app_id or "") if self.ticket is not None else ""

    def refuse(self, payload: bytes, now: float) -> None:
        """Say why, and close. Without a ticket the peer may be anyone: its Close is not waited for, since a frame may
        have half a megabyte, which the server would hold meanwhile."""
        super().refuse(payload, now)
        if self.ticket is None and self._transport is not None:
            self._transport.close()

    def warn(self, reason: str, **members: object) -> bool:
        """Send ``disconnect``, once: the client dials a new connection. Return False if it had one."""
        if self._is_warned or self.ended is not None:
            return False
        self._is_warned = True
        self.send(disconnect(reason, **members))
        return True

    def goodbye(self) -> bytes | None:
        """Return the request to dial anew, None if it was sent."""
        if self._is_warned:
            return None
        self._is_warned = True
        return disconnect(REFRESH)

    def receive(self, data: bytes) -> None:
        """Take an acknowledgement; other messages mean nothing here."""
        try:
            ack = _decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        self._host.acknowledged(self, ack)


def keeper_of(
    settings: Settings, clock: Clock, traffic: Traffic, flusher: Flusher[LinkConnection]
) -> Keeper[LinkConnection]:
    """Return what watches the connections of a door: it sends each a PING, also while frames come."""
    policy = Policy(
        min(settings.ping_interval, PING_INTERVAL), settings.silence_limit, settings.slow_deadline, settings.drain,
        pings_always=True,
    )  # fmt: skip
    return Keeper[LinkConnection](policy, clock=clock, traffic=traffic, give_up=flusher.give_up)


def started_at(clock: Clock) -> str:
    """Return the present time as ``debug_info.started`` of ``hello`` has it."""
    return datetime.fromtimestamp(clock.seconds(), UTC).strftime("%Y-%m-%d %H:%M:%S.000")


HOST_NAME: Final = "tautwire"
"""``debug_info.host`` of frames."""


def disconnect(reason: str, **members: object) -> bytes:
    """Return the payload of ``disconnect``."""
    return msgspec.json.encode({"type": "disconnect", "reason": reason, "debug_info": {"host": HOST_NAME}, **members})


def hello(app: str, count: int, started: str, lifetime: float, *, keeps_events: bool) -> bytes:
    """Return the payload of ``hello``.

    Args:
        keeps_events: whether what the app has not acknowledged, or what happens while it has no connection, is sent on
            the next one. Our own member: a gateway behind this connection need not look for missed messages.
        count: connections of the app, this one included.
        started: when the server started.
        lifetime: seconds that this connection lasts.
    """
    return msgspec.json.encode(
        {
            "type": "hello",
            "connection_info": {"app_id": app},
            "num_connections": count,
            "debug_info": {
                "host": HOST_NAME,
                "started": started,
                "build_number": 1,
                "approximate_connection_time": int(lifetime),
                "keeps_events": keeps_events,
            },
        }
    )
