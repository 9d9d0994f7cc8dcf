"""The door of Socket Mode: it opens the connections of apps, renews and ends them. Source: wire/socket-mode.md.

A connection that opens gets hello, and from then on its share of the app's events. After ``SESSION_TIME`` it gets
``disconnect`` and no more events, and ten seconds later it is closed; its client has dialled a new one by then. What a
connection had and did not acknowledge when it ends goes to another one, or waits for the app to return.
"""

import logging
from collections.abc import Callable, Collection

from picows import WSListener

from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.subscriptions import Subscription
from tautwire.server.services.access.tickets import Tickets
from tautwire.server.services.interactivity.requests import Request, Requests
from tautwire.server.socket_mode.connection import (
    DEBUG_TIME,
    DISABLED,
    REFRESH,
    SESSION_TIME,
    TOO_MANY,
    WARNING,
    WARNING_TIME,
    Ack,
    LinkConnection,
    disconnect,
    hello,
    keeper_of,
    started_at,
)
from tautwire.server.socket_mode.pool import MAX_CONNECTIONS, Pool
from tautwire.server.sockets.endings import GOING_AWAY
from tautwire.server.sockets.flusher import Flusher
from tautwire.server.sockets.frames import text_frame
from tautwire.server.sockets.probe import Probe
from tautwire.server.taps.envelope import request_frame
from tautwire.server.taps.taps import Taps

log = logging.getLogger("tautwire.server.socket_mode")


class Door:
    """Opens, watches and ends the Socket Mode connections of a workspace.

    Args:
        taps: decide what apps get.
        requests: get the answers to requests.
        tickets: the tickets that apps.connections.open issues.
        probe: sees the messages of all connections.
    """

    def __init__(
        self, taps: Taps, requests: Requests, *, tickets: Tickets, settings: Settings, clock: Clock, counts: Counts,
        probe: Probe | None = None,
    ) -> None:  # fmt: skip
        self.flusher = Flusher[LinkConnection]()
        self.clock = clock
        self.traffic = counts.socket_mode
        self.backlog_limit = settings.backlog_limit
        self.probe = probe
        self.keeper = keeper_of(settings, clock, counts.socket_mode, self.flusher)
        self._taps = taps
        self._requests = requests
        self._tickets = tickets
        self._pools: dict[str, Pool] = {}
        self._started = started_at(clock)
        taps.on_change(self._check)

    @property
    def connections(self) -> Collection[LinkConnection]:
        """All connections with an open socket, including those that are closing."""
        return self.keeper.connections

    def listen(self, ticket_text: str, query: str) -> WSListener | None:
        """Return the connection for an upgrade request, None (404) if the door is closed.

        Clients append ``&debug_reconnects=true`` to the URL that they got, behind a query or not.
        """
        if self.keeper.is_stopping:
            return None
        text, _, appended = ticket_text.partition("&")
        options = {*query.split("&"), *appended.split("&")}
        lifetime = DEBUG_TIME if "debug_reconnects=true" in options else SESSION_TIME
        ticket = self._tickets.redeem(text.rstrip("/"))
        return LinkConnection(self.keeper.next_number(), ticket, lifetime, self)

    def opened(self, connection: LinkConnection) -> None:
        """Send hello and events, or refuse the connection."""
        self.keeper.add(connection)
        now = self.clock.monotonic()
        ticket = connection.ticket
        is_accepted = ticket is not None and self._tickets.is_accepted(ticket)  # else revoked during the upgrade
        tap = self._taps.find(connection.user) if is_accepted else None
        if tap is None or not tap.subscription.socket_mode:
            connection.refuse(disconnect(DISABLED), now)
            return
        pool = self._pools.get(tap.app) or Pool(tap, self.flusher)
        if len(pool) >= MAX_CONNECTIONS:
            connection.refuse(disconnect(TOO_MANY, **_crowd(pool)), now)
            return
        self._pools[tap.app] = pool
        connection.opened_at = now
        pool.add(connection)
        self.traffic.opened += 1
        greeting = hello(tap.app, len(pool), self._started, connection.lifetime, keeps_events=True)
        self.flusher.answer(connection, text_frame(greeting), first=True)
        self._taps.start(tap, pool)
        log.info("connection %d of app %s opened", connection.number, tap.app)

    def acknowledged(self, connection: LinkConnection, ack: Ack) -> None:
        """Settle an event, or answer a request: their ids differ."""
        pool = self._pools.get(connection.user)
        if pool is not None and not pool.tap.acknowledged(ack.envelope_id):
            self._requests.answered(connection.user, ack.envelope_id, bytes(ack.payload))

    def ask(self, app: str, envelope_id: str, request: Request) -> bool:
        """Send a request on one of an app's connections; return False if none can take it."""
        pool = self._pools.get(app)
        return pool is not None and pool.ask(request_frame(envelope_id, request))

    def disconnect(self, number: int, reason: str) -> bool:
        """Have the client of a connection dial anew, as if there were the reason; return False if it was asked before.

        A connection that is too old, or of a server that stops, lasts ten seconds more and gets no more events. Others
        are closed at once.
        """
        connection = next((each for each in self.connections if each.number == number), None)
        pool = self._pools.get(connection.user) if connection is not None else None
        if connection is None or pool is None:
            return False
        now = self.clock.monotonic()
        if not connection.warn(reason, **(_crowd(pool) if reason == TOO_MANY else {})):
            return False
        pool.retire(connection)
        if reason in (WARNING, REFRESH):
            connection.lifetime = min(connection.lifetime, now - connection.opened_at + WARNING_TIME)
        else:
            connection.ending = "disabled"
            connection.end(GOING_AWAY, reason, now)
        return True

    def ended(self, connection: LinkConnection) -> None:
        """Give the events of the connection to another one, or stop the tap."""
        self.keeper.note_end(connection)
        pool = self._pools.get(connection.user)
        if pool is None or connection not in pool.connections:
            return
        pool.remove(connection)
        pool.tap.lost(connection.number)
        if not len(pool):
            del self._pools[connection.user]
            pool.tap.stop()

    def closed(self, connection: LinkConnection) -> None:
        """Remove a connection whose socket is closed."""
        self.keeper.remove(connection)

    def failed(self, connection: LinkConnection, why: str, error: Exception) -> None:
        """Close a connection because of an internal error."""
        self.flusher.give_up(connection, why, error)

    def close_where(self, is_refused: Callable[[Identity], bool]) -> None:
        """Close the connections of app-level tokens that are refused."""
        for connection in [*self.connections]:
            if connection.who is not None and is_refused(connection.who):
                connection.warn(DISABLED)
        self.keeper.close_where(lambda connection: connection.who is not None and is_refused(connection.who))

    def sweep(self) -> None:
        """Look after the connections; to be called about once a second."""
        self.keeper.sweep()
        now = self.clock.monotonic()
        for pool in [*self._pools.values()]:
            for connection in pool.connections:
                age = now - connection.opened_at
                if age >= connection.lifetime:
                    connection.ending = "renewed"
                    connection.end(GOING_AWAY, "dial anew", now)
                elif age >= connection.lifetime - WARNING_TIME:
                    connection.warn(WARNING)
                    pool.retire(connection)

    async def stop(self) -> None:
        """Send no more events, ask all clients to dial anew, wait for the drain time, and close.

        Acknowledgements that come meanwhile count.
        """
        for pool in self._pools.values():
            for connection in pool.connections:
                pool.retire(connection)
        await self.keeper.stop()

    def _check(self, subscription: Subscription) -> None:
        """Close the connections of an app whose Socket Mode was switched off, or that is deleted."""
        pool = self._pools.get(subscription.app)
        if pool is None or (subscription.socket_mode and not subscription.deleted):
            return
        now = self.clock.monotonic()
        for connection in pool.connections:
            connection.warn(DISABLED)
            connection.ending = "disabled"
            connection.end(GOING_AWAY, "Socket Mode is off", now)


def _crowd(pool: Pool) -> dict[str, object]:
    """Return what ``disconnect`` says of an app with too many connections."""
    return {"num_connections": len(pool), "connection_info": {"app_id": pool.tap.app}}
