"""One RTM connection: a session and the terms of its ticket, on the shell of a server WebSocket.

The session (``session.server``) decides what a frame means; the ``door`` carries out its commands. Everything about the
socket is the shell's (``sockets.connection``).
"""

from typing import ClassVar, Protocol

from tautwire.server.counts import Counts
from tautwire.server.hub.hub import Hub
from tautwire.server.hub.positions import Progress
from tautwire.server.rtm.replays import Sent
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.tickets import Ticket
from tautwire.server.sockets.connection import SocketConnection
from tautwire.server.sockets.endings import TOO_BIG
from tautwire.server.sockets.frames import text_frame
from tautwire.server.sockets.host import Host
from tautwire.session.server import MAX_FRAME_SIZE, Answer, Close, Command, ServerSession


class RtmHost(Host, Protocol):
    """The RTM door, as its connections see it."""

    hub: Hub
    counts: Counts

    def carry_out(self, connection: "RtmConnection", command: Command) -> None:
        """Called with a command of the client."""


class RtmConnection(SocketConnection):
    """One live RTM connection.

    Args:
        number: unique among the connections of this process; never 0.
        ticket: the terms agreed at rtm.connect; None if the ticket in the URL is not valid.
    """

    __slots__ = ("progress", "sent", "session", "ticket", "watched")

    max_message: ClassVar[int] = MAX_FRAME_SIZE
    _host: RtmHost

    def __init__(self, number: int, ticket: Ticket | None, session: ServerSession, host: RtmHost) -> None:
        super().__init__(number, host)
        self.ticket = ticket
        self.session = session
        self.progress = Progress() if ticket is not None and ticket.wants_positions else None
        self.watched: tuple[str, ...] = ()
        self.sent: Sent | None = None
        """The last message of the peer that was stored, for ``replays``."""

    @property
    def who(self) -> Identity:
        """The identity of the user; only for a connection with a ticket."""
        if self.ticket is None:
            raise RuntimeError("a connection without a ticket has no user")
        return self.ticket.who

    @property
    def user(self) -> str:
        """The user's id, empty for a connection without a ticket."""
        return self.ticket.who.user if self.ticket else ""

    @property
    def batches_presence(self) -> bool:
        """Whether presence_change carries ``users``. Source: wire/connecting.md#rtmconnect (documented)."""
        return self.ticket is not None and self.ticket.batches_presence

    @property
    def is_full(self) -> bool:
        """Whether so many messages wait for their ack that the peer should not be read for a while."""
        return self.session.is_full

    def goodbye(self) -> bytes | None:
        """Return the goodbye of the session, None if it was sent before."""
        return self.session.goodbye()

    def queue_last(self) -> None:
        """Queue the last position.

        Only for a peer that reads: behind a backlog the position would claim events that are dropped.
        """
        position = self._host.hub.last_position(self)
        if position is not None:
            self.outbox.append(position)

    def receive(self, data: bytes) -> None:
        """Have the session take a frame, and carry out what it returns."""
        outcome = self.session.receive(data, self.heard)
        if outcome is None:
            return
        if isinstance(outcome, Answer):  # no match statement: it costs more than many an answer
            if outcome.error is not None:
                self._host.counts.rtm_errors[int(outcome.error)] += 1
            self._flusher.answer(self, text_frame(outcome.payload), first=True)
        elif isinstance(outcome, Close):
            self.ending = "too big" if outcome.code == TOO_BIG else "too fast"
            self.end(outcome.code, outcome.reason, self.heard)
        else:
            self._host.carry_out(self, outcome)
            if self.session.is_full and not self._held:
                self.hold(True)

    def _end(self, now: float) -> None:
        """End the session too."""
        self.session.close()
        super()._end(now)
