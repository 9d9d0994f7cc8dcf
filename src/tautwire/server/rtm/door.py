"""The door of RTM: it turns upgrade requests into live connections, watches them, and closes them at the end.

A connection opens in one turn of the loop: hello, all events since the position of its ticket that its user may see,
then live. If these events are more than a page, or no longer in memory, they are sent page by page, and the connection
goes live in the turn in which the last page is queued.

Words: ``end`` is an orderly Close, ``abort`` drops the socket, ``ended`` and ``closed`` are the callbacks of a
connection (no more frames may be sent; the socket is closed).
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from typing import Final

import msgspec
from picows import WSListener, WSUpgradeRequest

from tautwire.protocol.errors import RtmErrorCode
from tautwire.server.hub.frames import SharedFrames, text_frame
from tautwire.server.log.catchup import CatchUp
from tautwire.server.log.entry import Entry
from tautwire.server.rtm import endings
from tautwire.server.rtm.commands import Commands
from tautwire.server.rtm.connection import PAUSE, RtmConnection
from tautwire.server.rtm.replays import Replays
from tautwire.server.services.identity import Identity
from tautwire.server.services.presence import Presence
from tautwire.server.services.tickets import RTM_PATH, Tickets
from tautwire.server.services.workspace import Workspace
from tautwire.session.server import MESSAGE_RATE, Command, ServerSession

log = logging.getLogger("tautwire.server.rtm")

BATCHES: Final = frozenset({"batch_presence_aware=1", "batch_presence_aware=true"})

GOING_AWAY: Final = 1001
TOO_SLOW: Final = 1008
REVOKED: Final = 1008
"""A policy of the server, in RFC 6455. Source: wire/reconnecting.md#how-a-session-ends says that the server closes; the
code is ours, and clients attach no meaning to it (wire/frames.md#the-websocket-layer)."""
CLOSE_PATIENCE: Final = 5.0
"""Seconds that a peer has to answer a Close."""
END_PATIENCE: Final = 2.0
"""Seconds that the peers have to answer a Close when the server stops."""


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
        self._frames = SharedFrames()
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
        """All connections with an open socket, including those that are opening or closing."""
        return self._connections.values()

    def listen(self, request: WSUpgradeRequest) -> WSListener | None:
        """Return the connection for an upgrade request, None (404) if the path is not that of RTM URLs.

        A connection with an invalid ticket is accepted, gets an error event and is closed: clients expect that instead
        of an HTTP error. slack-go puts the options of rtm.connect into the query string; only ``batch_presence_aware``
        has an effect.
        """
        path, _, query = bytes(request.path).decode("latin-1").partition("?")
        if not path.startswith(RTM_PATH) or self._stopping:
            return None
        ticket = self._tickets.redeem(path.removeprefix(RTM_PATH).rstrip("/"))
        if ticket is not None and BATCHES.intersection(query.split("&")):
            ticket = msgspec.structs.replace(ticket, batches_presence=True)
        self._last_number += 1
        return RtmConnection(self._last_number, ticket, ServerSession(message_rate=self._rate), self)

    def opened(self, connection: RtmConnection) -> None:
        """Send hello and go live, or refuse a connection without a ticket."""
        self._connections[connection.number] = connection
        ticket = connection.ticket
        if ticket is not None and not self._tickets.is_accepted(ticket):  # revoked while the upgrade was in progress
            ticket = connection.ticket = None
        if ticket is None:
            connection.refuse(connection.session.refuse(RtmErrorCode.URL_EXPIRED), self.clock.monotonic())
            return
        # first: the answer to a frame that the peer sent too early comes behind hello
        self.hub.answer(connection, text_frame(connection.session.welcome()), first=True)
        self.counts.opened += 1
        sent = self._replays.take(connection.user)
        if sent is not None:
            connection.send(sent.payload())
        missed = CatchUp(
            self._workspace.tail,
            self._workspace.reader,
            user=connection.user,
            position=ticket.position,
            channels=self.hub.channels_of(connection.user),
        )
        events = missed.everything()
        if events is not None:
            self._go_live(connection, events)
            return
        task = asyncio.create_task(self._catch_up(connection, missed))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    def carry_out(self, connection: RtmConnection, command: Command) -> None:
        """Carry out a command of the client."""
        self._commands.carry_out(connection, command)

    def overrun(self, connection: RtmConnection) -> None:
        """Close a connection with too many waiting bytes."""
        connection.ending = "backlog"
        connection.end(TOO_SLOW, "too slow", self.clock.monotonic())

    def ended(self, connection: RtmConnection) -> None:
        """Detach a connection from the hub, presence and replays.

        The steps run in reverse order, each of them even if an earlier one raises.
        """
        ending = connection.ending or ("peer" if connection.left else "lost")
        endings.note(self.counts, connection.number, connection.user, ending)
        with ExitStack() as last_first:
            last_first.callback(self._presence.disconnected, connection.user)
            last_first.callback(self._presence.unsubscribe, connection)
            if not connection.left:
                last_first.callback(lambda: self._replays.lost(connection.user, connection.sent))
            last_first.callback(self.hub.detach, connection)

    def closed(self, connection: RtmConnection) -> None:
        """Remove a connection whose socket is closed."""
        self._connections.pop(connection.number, None)
        if not self._connections:
            self._empty.set()

    def close_where(self, is_refused: Callable[[Identity], bool]) -> None:
        """Close the connections of the identities that are refused, with goodbye.

        Clients then call rtm.connect, whose error tells them to stop. Source: wire/reconnecting.md#how-a-session-ends.
        """
        now = self.clock.monotonic()

        def close(connection: RtmConnection) -> None:
            if connection.ticket is not None and connection.ended is None and is_refused(connection.who):
                connection.ending = "revoked"
                connection.end(REVOKED, "the token is no longer accepted", now)

        self._for_each(close, "it could not be closed")

    def failed(self, connection: RtmConnection, why: str, error: Exception) -> None:
        """Close a connection because of an internal error."""
        self.hub.give_up(connection, why, error)

    def sweep(self) -> None:
        """Ping silent connections, close dead and slow ones; to be called about once a second."""
        now = self.clock.monotonic()
        for connection in list(self._connections.values()):
            try:
                self._look_after(connection, now)
            except Exception as error:  # noqa: BLE001 - logged there
                self.hub.give_up(connection, "the sweep failed for it", error)
        self.hub.sweep()

    def _look_after(self, connection: RtmConnection, now: float) -> None:
        settings = self._workspace.settings
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
        """Send goodbye to all connections, wait for the drain time, close with 1001, and drop the remaining sockets."""
        self._stopping = True
        for task in self._opening:
            task.cancel()
        self._for_each(self._say_goodbye, "goodbye could not be sent")
        if self._connections:
            await asyncio.sleep(self._workspace.settings.drain)
        now = self.clock.monotonic()
        self._empty.clear()
        self._for_each(lambda connection: self._close(connection, now), "it could not be closed")
        if self._connections:
            try:
                await asyncio.wait_for(self._empty.wait(), END_PATIENCE)
            except TimeoutError:
                self._for_each(RtmConnection.abort, "it could not be dropped")

    def _for_each(self, step: Callable[[RtmConnection], None], why: str) -> None:
        """Call a step for every connection; a connection for which it raises is dropped, the others go on."""
        for connection in list(self._connections.values()):
            try:
                step(connection)
            except Exception as error:  # noqa: BLE001 - logged there
                self.hub.give_up(connection, why, error)

    def _close(self, connection: RtmConnection, now: float) -> None:
        connection.ending = connection.ending or "server stops"
        connection.end(GOING_AWAY, "the server stops", now)

    def _say_goodbye(self, connection: RtmConnection) -> None:
        goodbye = connection.session.goodbye()
        if goodbye is not None:
            connection.send(goodbye)

    async def _catch_up(self, connection: RtmConnection, missed: CatchUp) -> None:
        """Send the missed events page by page, as fast as the peer reads, then go live."""
        tail = self._workspace.tail
        try:
            await missed.rewind()
            while connection.ended is None:
                events = await missed.page()
                if (
                    connection.ended is not None
                ):  # ended while the page was read: attached now, it would never be detached
                    return
                if missed.position == tail.position:
                    self._go_live(connection, events)
                    return
                self._queue(connection, events)
                if connection.progress is not None:
                    self.hub.push(connection, self.hub.positions.begin(connection.progress, missed.position))
                while not connection.has_room and connection.ended is None:  # noqa: ASYNC110 - a pause is wanted
                    await asyncio.sleep(PAUSE)
        except Exception as error:  # noqa: BLE001 - logged there
            # The client has to connect again: without these entries it would miss events.
            self.hub.give_up(connection, "the events it missed could not be read", error)

    def _go_live(self, connection: RtmConnection, events: Sequence[Entry]) -> None:
        """Queue the last missed events and attach the connection to the hub, in one turn of the loop."""
        self._queue(connection, events)
        if connection.progress is not None:
            self.hub.push(connection, self.hub.positions.begin(connection.progress, self._workspace.tail.position))
        self.hub.attach(connection)
        self._presence.touch(connection.user)
        log.info("connection %d of %s opened", connection.number, connection.user)

    def _queue(self, connection: RtmConnection, events: Sequence[Entry]) -> None:
        """Queue missed events, without the peer's own messages sent meanwhile: those have an ack."""
        for entry in events:
            if entry.skip != connection.number:
                self.hub.push(connection, self._frames.of(entry))
