"""The door of RTM: it turns upgrade requests into live connections, watches them, and closes them at the end.

A connection opens in one turn of the loop: hello, all events since the position of its ticket that its user may see,
then live. If these events are more than a page, or no longer in memory, they are sent page by page, and the connection
goes live in the turn in which the last page is queued.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from typing import Final

import msgspec
from picows import WSListener

from tautwire.protocol.errors import RtmErrorCode
from tautwire.server.clock import Clock
from tautwire.server.config import Settings
from tautwire.server.counts import Counts
from tautwire.server.hub.frames import SharedFrames
from tautwire.server.hub.hub import Hub
from tautwire.server.log.entry import Entry
from tautwire.server.rtm.backend import Backend, Missed
from tautwire.server.rtm.commands import Commands
from tautwire.server.rtm.connection import RtmConnection
from tautwire.server.rtm.replays import Replays
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.tickets import Tickets
from tautwire.server.sockets.connection import PAUSE
from tautwire.server.sockets.frames import text_frame
from tautwire.server.sockets.keeper import Keeper, Policy
from tautwire.server.sockets.probe import Probe
from tautwire.session.server import MESSAGE_RATE, Command, ServerSession

log = logging.getLogger("tautwire.server.rtm")

BATCHES: Final = frozenset({"batch_presence_aware=1", "batch_presence_aware=true"})


class Door:
    """Opens, watches and ends the RTM connections of this node.

    Args:
        backend: carries out the commands of clients, and knows what a connection has missed.
        hub: delivers events to the connections.
        tickets: the tickets that rtm.connect issues.
        probe: sees the messages of all connections.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        hub: Hub,
        tickets: Tickets,
        settings: Settings,
        clock: Clock,
        counts: Counts,
        probe: Probe | None = None,
    ) -> None:
        self.hub = self.flusher = hub
        self.clock = clock
        self.counts = counts
        self.traffic = counts.rtm
        self.backlog_limit = settings.backlog_limit
        self.probe = probe
        policy = Policy(settings.ping_interval, settings.silence_limit, settings.slow_deadline, settings.drain)
        self.keeper = Keeper[RtmConnection](policy, clock=clock, traffic=counts.rtm, give_up=hub.give_up)
        self._backend = backend
        self._tickets = tickets
        self._frames = SharedFrames()
        self._replays = Replays(hub, clock)
        self._commands = Commands(backend, hub, counts, self._replays)
        self._rate = MESSAGE_RATE if settings.rate_limits else None
        self._opening: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> Collection[RtmConnection]:
        """All connections with an open socket, including those that are opening or closing."""
        return self.keeper.connections

    def listen(self, ticket_text: str, query: str) -> WSListener | None:
        """Return the connection for an upgrade request, None (404) if the door is closed.

        A connection with an invalid ticket is accepted, gets an error event and is closed: clients expect that instead
        of an HTTP error. slack-go puts the options of rtm.connect into the query string; only ``batch_presence_aware``
        has an effect.
        """
        if self.keeper.is_stopping:
            return None
        ticket = self._tickets.redeem(ticket_text.rstrip("/"))
        if ticket is not None and BATCHES.intersection(query.split("&")):
            ticket = msgspec.structs.replace(ticket, batches_presence=True)
        session = ServerSession(message_rate=self._rate)
        return RtmConnection(self.keeper.next_number(), ticket, session, self)

    def opened(self, connection: RtmConnection) -> None:
        """Send hello and go live, or refuse a connection without a ticket."""
        self.keeper.add(connection)
        ticket = connection.ticket
        if ticket is not None and not self._tickets.is_accepted(ticket):  # revoked while the upgrade was in progress
            ticket = connection.ticket = None
        if ticket is None:
            connection.refuse(connection.session.refuse(RtmErrorCode.URL_EXPIRED), self.clock.monotonic())
            return
        # first: the answer to a frame that the peer sent too early comes behind hello
        self.hub.answer(connection, text_frame(connection.session.welcome()), first=True)
        self.traffic.opened += 1
        sent = self._replays.take(connection.user)
        if sent is not None:
            connection.send(sent.payload())
        missed = self._backend.catch_up(connection, ticket.position)
        events = missed.everything()
        if events is not None:
            self._go_live(connection, events, missed.position)
            return
        task = asyncio.create_task(self._catch_up(connection, missed))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def carry_out(self, connection: RtmConnection, command: Command) -> None:
        """Carry out a command of the client."""
        self._commands.carry_out(connection, command)

    def ended(self, connection: RtmConnection) -> None:
        """Detach a connection from the hub, replays and the backend.

        The steps run in reverse order, each of them even if an earlier one raises.
        """
        self.keeper.note_end(connection)
        with ExitStack() as last_first:
            if connection.ticket is not None:
                last_first.callback(self._backend.ended, connection)
            if not connection.left:
                last_first.callback(lambda: self._replays.lost(connection.user, connection.sent))
            last_first.callback(self.hub.detach, connection)

    def closed(self, connection: RtmConnection) -> None:
        """Remove a connection whose socket is closed."""
        self.keeper.remove(connection)

    def close_where(self, is_refused: Callable[[Identity], bool]) -> None:
        """Close the connections of the identities that are refused, with goodbye.

        Clients then call rtm.connect, whose error makes them stop. Source: wire/reconnecting.md#how-a-session-ends.
        """
        self.keeper.close_where(lambda connection: connection.ticket is not None and is_refused(connection.who))

    def failed(self, connection: RtmConnection, why: str, error: Exception) -> None:
        """Close a connection because of an internal error."""
        self.hub.give_up(connection, why, error)

    def sweep(self) -> None:
        """Look after the connections, and send positions that are due; to be called about once a second."""
        self.keeper.sweep()
        self.hub.sweep()

    async def stop(self) -> None:
        """Send goodbye to all connections, wait for the drain time, close with 1001, and drop the remaining sockets."""
        for task in self._opening:
            task.cancel()
        await self.keeper.stop()

    async def _catch_up(self, connection: RtmConnection, missed: Missed) -> None:
        """Send the missed events page by page, as fast as the peer reads, then go live."""
        try:
            await missed.rewind()
            while connection.ended is None:
                events = await missed.page()
                if (
                    connection.ended is not None
                ):  # ended while the page was read: attached now, it would never be detached
                    return
                if missed.is_complete:
                    self._go_live(connection, events, missed.position)
                    return
                self._queue(connection, events)
                if connection.progress is not None:
                    self.hub.push(connection, self.hub.positions.begin(connection.progress, missed.position))
                while not connection.has_room and connection.ended is None:  # noqa: ASYNC110 - a pause is wanted
                    await asyncio.sleep(PAUSE)
        except Exception as error:  # noqa: BLE001 - logged there
            # The client has to connect again: without these entries it would miss events.
            self.hub.give_up(connection, "the events it missed could not be read", error)

    def _go_live(self, connection: RtmConnection, events: Sequence[Entry], position: int) -> None:
        """Queue the last missed events, up to ``position``, and attach the connection to the hub, in one turn."""
        self._queue(connection, events)
        if connection.progress is not None:
            self.hub.push(connection, self.hub.positions.begin(connection.progress, position))
        self.hub.attach(connection)
        self._backend.live(connection)
        log.info("connection %d of %s opened", connection.number, connection.user)

    def _queue(self, connection: RtmConnection, events: Sequence[Entry]) -> None:
        """Queue missed events, without the peer's own messages sent meanwhile: those have an ack."""
        for entry in events:
            if entry.skip != connection.number:
                self.hub.push(connection, self._frames.of(entry))
