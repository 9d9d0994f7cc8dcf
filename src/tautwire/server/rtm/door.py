"""The door of RTM: from a dialled URL to a live connection, and the end of all of them.

A connection opens in one turn of the loop: hello, everything since the position of its ticket that its user may see,
then live. Only when that reaches back further than the tail in memory is the older part read from disk first.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

import msgspec
from picows import WSListener, WSUpgradeRequest

from tautwire.protocol.errors import RtmErrorCode
from tautwire.server.hub.frames import text_frame
from tautwire.server.log.entry import Entry
from tautwire.server.log.tail import read_entries, visible
from tautwire.server.rtm import endings
from tautwire.server.rtm.commands import Commands
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.replays import Replays
from tautwire.server.services.presence import Presence
from tautwire.server.services.tickets import Ticket, Tickets
from tautwire.server.services.workspace import Workspace
from tautwire.session.server import MESSAGE_RATE, Command, ServerSession

log = logging.getLogger("tautwire.server.rtm")

PATH: Final = "/rtm/"
"""Where RTM URLs lead; the ticket follows."""

BATCHES: Final = frozenset({"batch_presence_aware=1", "batch_presence_aware=true"})

GOING_AWAY: Final = 1001
TOO_SLOW: Final = 1008
CLOSE_PATIENCE: Final = 5.0
"""Seconds that a peer has to answer our Close."""
END_PATIENCE: Final = 2.0
"""Seconds that the peers have to answer it when the server stops."""


class Door:
    """Opens, watches and ends the RTM connections of this node."""

    def __init__(self, workspace: Workspace, tickets: Tickets, presence: Presence) -> None:
        self.hub = workspace.hub
        self.clock = workspace.clock
        self.counts = workspace.counts
        self.backlog_limit = workspace.settings.backlog_limit
        self._workspace = workspace
        self._tickets = tickets
        self._presence = presence
        self._replays = Replays(self.hub, self.clock)
        self._commands = Commands(workspace, presence, self._replays)
        self._rate = MESSAGE_RATE if workspace.settings.rate_limits else None
        self._connections: dict[int, RtmConnection] = {}
        self._last_number = 0
        self._opening: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._stopping = False

    @property
    def connections(self) -> Collection[RtmConnection]:
        """All connections whose socket is there, those that are opening or ending too."""
        return self._connections.values()

    def listen(self, request: WSUpgradeRequest) -> WSListener | None:
        """Make the connection for an upgrade request, None (404) for a path that is not ours.

        A dead ticket is let in, told so by an error event, and closed, as clients expect. Of the query string, where
        slack-go puts the options of rtm.connect, only ``batch_presence_aware`` means anything here.
        """
        path, _, query = bytes(request.path).decode("latin-1").partition("?")
        if not path.startswith(PATH) or self._stopping:
            return None
        ticket = self._tickets.redeem(path.removeprefix(PATH).rstrip("/"))
        if ticket is not None and BATCHES.intersection(query.split("&")):
            ticket = msgspec.structs.replace(ticket, batches_presence=True)
        self._last_number += 1
        return RtmConnection(self._last_number, ticket, ServerSession(message_rate=self._rate), self)

    def opened(self, connection: RtmConnection) -> None:
        """Welcome a connection, or refuse it."""
        self._connections[connection.number] = connection
        ticket = connection.ticket
        if ticket is None:
            connection.refuse(connection.session.refuse(RtmErrorCode.URL_EXPIRED), self.clock.monotonic())
        elif self._workspace.tail.oldest <= ticket.position + 1:
            self._go_live(connection, ticket, ())
        else:
            task = asyncio.create_task(self._catch_up(connection, ticket))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def carry_out(self, connection: RtmConnection, command: Command) -> None:
        """Do what a client asks."""
        self._commands.carry_out(connection, command)

    def overrun(self, connection: RtmConnection) -> None:
        """End a connection for which too much waits."""
        connection.ending = "backlog"
        connection.end(TOO_SLOW, "too slow", self.clock.monotonic())

    def ended(self, connection: RtmConnection) -> None:
        """Deliver nothing more to a connection."""
        ending = connection.ending or ("peer" if connection.left else "lost")
        endings.note(self.counts, connection.number, connection.user, ending)
        self.hub.detach(connection)
        if not connection.left:
            self._replays.lost(connection)
        self._presence.unsubscribe(connection, connection.watched)
        self._presence.disconnected(connection.user)

    def closed(self, connection: RtmConnection) -> None:
        """Forget a connection whose socket is gone."""
        self._connections.pop(connection.number, None)
        if not self._connections:
            self._empty.set()

    def sweep(self) -> None:
        """Ping the silent, end the dead and the slow; call it about once a second."""
        settings = self._workspace.settings
        now = self.clock.monotonic()
        for connection in list(self._connections.values()):
            silence = now - connection.heard
            if connection.ended is not None:
                if now - connection.ended > CLOSE_PATIENCE:
                    connection.abort()
            elif silence > settings.silence_limit:
                connection.ending = "silent"
                connection.abort()
            elif connection.slow_since is not None and now - connection.slow_since > settings.slow_deadline:
                connection.ending = "slow"
                connection.end(TOO_SLOW, "too slow", now)
            elif silence > settings.ping_interval and not connection.pinged:
                connection.ping()

    async def stop(self) -> None:
        """Say goodbye to everybody, give them a moment, close with 1001, and see to it that all sockets end."""
        self._stopping = True
        for task in self._opening:
            task.cancel()
        for connection in list(self._connections.values()):
            goodbye = connection.session.goodbye()
            if goodbye is not None:
                connection.send(goodbye)
        if self._connections:
            await asyncio.sleep(self._workspace.settings.drain)
        now = self.clock.monotonic()
        self._empty.clear()
        for connection in list(self._connections.values()):
            connection.ending = connection.ending or "server stops"
            connection.end(GOING_AWAY, "the server stops", now)
        if self._connections:
            try:
                await asyncio.wait_for(self._empty.wait(), END_PATIENCE)
            except TimeoutError:
                for connection in list(self._connections.values()):
                    connection.abort()

    async def _catch_up(self, connection: RtmConnection, ticket: Ticket) -> None:
        """Read what memory does not hold any more, then go live."""
        tail = self._workspace.tail
        stored: list[Entry] = []
        position = ticket.position
        try:
            while tail.oldest > position + 1:
                before = tail.oldest
                stored += await self._workspace.reader.read(partial(read_entries, after=position, before=before))
                position = before - 1
        except Exception:
            log.exception("connection %d of %s: the log could not be read", connection.number, connection.user)
            connection.ending = "failed"
            connection.abort()  # it has to come again: without these entries it would miss something
            return
        if connection.number in self._connections and connection.ended is None:
            self._go_live(connection, ticket, stored)

    def _go_live(self, connection: RtmConnection, ticket: Ticket, stored: Sequence[Entry]) -> None:
        tail = self._workspace.tail
        connection.send(connection.session.welcome())
        self.counts.opened += 1
        sent = self._replays.take(connection.user)
        if sent is not None:
            connection.send(sent.payload())
        entries = [*stored, *tail.since(stored[-1].position if stored else ticket.position)]
        for entry in visible(entries, connection.user, self.hub.channels_of(connection.user)):
            self.hub.push(connection, text_frame(entry.payload))
        if connection.wants_positions:
            connection.send(
                b'{"type":"position","position":"%s"}' % self._workspace.epochs.mark(tail.position).encode()
            )
        connection.allow_backlog()
        self.hub.attach(connection)
        self._presence.touch(connection.user)
        log.info("connection %d of %s opened", connection.number, connection.user)
