"""The door of Socket Mode: each connection gets every event, in order, unlike at Slack, where one of them gets it.

A connection that is lost leaves its place to the next one with the same token: that goes on with what was not
acknowledged. Source of the frames: wire/socket-mode.md.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from picows import WSListener

from tautwire.gateway.downstream.stream import Figures, Mark, Stream
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.log.entry import Entry
from tautwire.server.log.tail import Tail
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.tickets import LINK_PATH, Tickets
from tautwire.server.socket_mode.connection import (
    DISABLED,
    TOO_MANY,
    Ack,
    LinkConnection,
    disconnect,
    hello,
    keeper_of,
    started_at,
)
from tautwire.server.sockets.flusher import Flusher
from tautwire.server.sockets.frames import text_frame
from tautwire.server.sockets.probe import Probe
from tautwire.server.store.reader import Reader
from tautwire.server.web_api.method import METHODS, Answer, Call, Method
from tautwire.server.web_api.methods.apps import AppsConnectionsOpen

log = logging.getLogger("tautwire.gateway")

MAX_CONNECTIONS: Final = 50
"""Connections of a bot."""
MAX_LEFT: Final = 20
"""Places of lost connections that are kept for each token."""
LEFT_LIFE: Final = 600.0
"""Seconds that a place is kept."""
RETURN: Final = 60.0
"""Seconds from the start in which a connection gets the events since the start: its program was connected before."""
LIFETIME: Final = 86_400
"""Seconds that hello says a connection lasts; it is not renewed."""


class ConsumerDoor:
    """Opens, watches and ends the Socket Mode connections of one bot.

    Args:
        tail: the log that they get.
        tickets: those that apps.connections.open issues.
    """

    def __init__(
        self, tail: Tail, reader: Reader, *, tickets: Tickets, settings: Settings, clock: Clock, counts: Counts
    ) -> None:
        self.flusher = Flusher[LinkConnection]()
        self.clock = clock
        self.traffic = counts.socket_mode
        self.backlog_limit = settings.backlog_limit
        self.probe: Probe | None = None
        self.figures = Figures()
        self.keeper = keeper_of(settings, clock, counts.socket_mode, self.flusher)
        self._tail = tail
        self._reader = reader
        self._tickets = tickets
        self._streams: dict[int, Stream] = {}  # by the number of the connection
        self._ending: set[asyncio.Task[None]] = set()
        self._left: dict[bytes, list[tuple[float, Mark]]] = {}  # by the hash of the token, the latest last
        self._start = tail.position
        self._started_at = clock.monotonic()
        self._started = started_at(clock)

    @property
    def connections(self) -> Collection[LinkConnection]:
        """All connections with an open socket, including those that are closing."""
        return self.keeper.connections

    @property
    def open_events(self) -> int:
        """Events that connections have not acknowledged."""
        return sum(stream.open for stream in self._streams.values())

    def method(self) -> Method:
        """Return apps.connections.open: it reserves a connection, whose URL can be dialled once, within 30 s."""
        return replace(METHODS["apps.connections.open"], function=self._reserve)

    async def _reserve(self, call: Call, args: AppsConnectionsOpen) -> Answer:
        """Reserve a Socket Mode connection; its URL can be dialled once, within 30 s."""
        ticket = self._tickets.issue(
            who=call.who, position=self._tail.position, batches_presence=False, wants_positions=False
        )  # fmt: skip
        scheme, _, authority = call.base_url.partition("://")
        # A query, since clients append "&debug_reconnects=true".
        return {
            "url": f"{'wss' if scheme == 'https' else 'ws'}://{authority}{LINK_PATH}{ticket}?app_id={call.who.app_id}"
        }

    def listen(self, ticket_text: str, _: str) -> WSListener | None:
        """Return the connection for an upgrade request, None (404) if the door is closed."""
        if self.keeper.is_stopping:
            return None
        ticket = self._tickets.redeem(ticket_text.partition("&")[0].rstrip("/"))
        return LinkConnection(self.keeper.next_number(), ticket, LIFETIME, self)

    def opened(self, connection: LinkConnection) -> None:
        """Send hello and events, or refuse the connection."""
        self.keeper.add(connection)
        ticket = connection.ticket
        if ticket is None or not self._tickets.is_accepted(ticket):
            connection.refuse(disconnect(DISABLED), self.clock.monotonic())
            return
        if len(self._streams) >= MAX_CONNECTIONS:
            about = {"num_connections": len(self._streams), "connection_info": {"app_id": connection.user}}
            connection.refuse(disconnect(TOO_MANY, **about), self.clock.monotonic())
            return
        self.traffic.opened += 1
        greeting = hello(connection.user, len(self._streams) + 1, self._started, LIFETIME, keeps_events=False)
        self.flusher.answer(connection, text_frame(greeting), first=True)
        mark = self._take_place(ticket.who.token) or Mark(ticket.position)
        self._streams[connection.number] = Stream(
            connection, mark, flusher=self.flusher, tail=self._tail, reader=self._reader, figures=self.figures
        )
        log.info("Socket Mode connection %d opened", connection.number)

    def acknowledged(self, connection: LinkConnection, ack: Ack) -> None:
        """Note an acknowledgement."""
        stream = self._streams.get(connection.number)
        if stream is not None:
            stream.acknowledged(ack.envelope_id)

    def ended(self, connection: LinkConnection) -> None:
        """Keep the place of a connection for the next one."""
        self.keeper.note_end(connection)
        stream = self._streams.pop(connection.number, None)
        if stream is None:
            return
        stream.task.cancel()
        self._ending.add(stream.task)
        stream.task.add_done_callback(self._ending.discard)
        if connection.ticket is not None:
            left = self._left.setdefault(connection.ticket.who.token, [])
            left.append((self.clock.monotonic() + LEFT_LIFE, stream.mark))
            del left[:-MAX_LEFT]

    def closed(self, connection: LinkConnection) -> None:
        """Remove a connection whose socket is closed."""
        self.keeper.remove(connection)

    def failed(self, connection: LinkConnection, why: str, error: Exception) -> None:
        """Close a connection because of an internal error."""
        self.flusher.give_up(connection, why, error)

    def close_where(self, is_refused: Callable[[Identity], bool]) -> None:
        """Close the connections of tokens that are refused."""
        self.keeper.close_where(lambda connection: connection.who is not None and is_refused(connection.who))

    def follow(self, _: Sequence[Entry]) -> None:
        """Note that the log has grown; a reader of the feed."""
        for stream in self._streams.values():
            stream.wake()

    def sweep(self) -> None:
        """Look after the connections, and forget old places; to be called about once a second."""
        self.keeper.sweep()
        now = self.clock.monotonic()
        for token, left in [*self._left.items()]:
            self._left[token] = [place for place in left if place[0] > now]
            if not self._left[token]:
                del self._left[token]

    async def stop(self) -> None:
        """Ask all clients to dial anew, wait for the drain time, and close."""
        await self.keeper.stop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _take_place(self, token: bytes) -> Mark | None:
        """Return where a connection goes on, None if it is new."""
        left = self._left.get(token)
        if left:
            return left.pop()[1]
        if self.clock.monotonic() < self._started_at + RETURN:
            return Mark(self._start)
        return None
