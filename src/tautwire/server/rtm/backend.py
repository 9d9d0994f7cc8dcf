"""The port of the RTM door: what carries out the commands of clients.

The door decodes, answers and keeps connections; a backend does what a command asks for. The workspace of this server is
one (``backend_workspace``); another carries the commands to an upstream. The door is given its backend and makes none.

All methods are called on the loop and must not block it. If one raises, its connection is closed and the failure is
logged: the client connects again, and the other connections are not concerned.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.frames import Message, Typing
from tautwire.protocol.ids import Ts
from tautwire.server.log.entry import Entry
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.people.presence import Watcher


class Peer(Watcher, Protocol):
    """The connection of a command: its user, and what the hub needs to send it an event (``Hub.tell``)."""

    @property
    def who(self) -> Identity:
        """The user, and the bot or app behind the token."""


class Posted(Protocol):
    """A stored message."""

    @property
    def channel(self) -> str:
        """The id of its channel."""

    @property
    def ts(self) -> Ts:
        """The timestamp that identifies it in the channel."""

    @property
    def body(self) -> dict[str, Any]:
        """The message object, with ``user``, ``text`` and ``ts`` at least; the ack repeats the text."""


Answer = Callable[[Posted | None, BaseException | None], None]
"""Called once on the loop: with the stored message, or with None and the reason.

A ``services.errors.MethodError`` is a refusal; the door turns its code, that of the Web API, into one of RTM. Any other
error is ``cannot process message`` to the client; it is logged, unless it is a ``StoreError``.
"""


class Missed(Protocol):
    """The events between the position of a ticket and now, as ``log.catchup.CatchUp`` reads them."""

    position: int
    """All events up to here were returned."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing up to this turn of the loop."""

    def everything(self) -> Sequence[Entry] | None:
        """Return all events if that needs no waiting, else None."""

    async def rewind(self) -> None:
        """Prepare the pages; awaited before the first."""

    async def page(self) -> Sequence[Entry]:
        """Return the next events, perhaps none. The last page is returned without a pause: the connection goes live in
        the same turn of the loop."""


class Backend(Protocol):
    """What carries out the commands of RTM connections."""

    def catch_up(self, peer: Peer, position: int) -> Missed:
        """Return the events that the peer's user may see since ``position`` of its ticket.

        Called once for each connection, behind hello. From the last of them the hub delivers: no gap, no copy.
        """

    def live(self, peer: Peer) -> None:
        """Called when the peer is attached to the hub: its user is active."""

    def ended(self, peer: Peer) -> None:
        """Called once when a connection with a ticket has ended: forget it. It is detached from the hub before.

        It may have ended before it was live.
        """

    def post(self, peer: Peer, message: Message, answer: Answer) -> None:
        """Post a message as the peer's user; ``answer`` is called exactly once, whatever fails, also after the end.

        It is called when the message is durable, after the event of the message is queued for the other members; the
        event's entry names the peer in ``skip``, as the peer gets the ack instead. Messages of a connection are stored
        in the order of the calls.
        """

    def type(self, peer: Peer, typing: Typing) -> RtmErrorCode | None:
        """Show the other members that the user is typing; may be lost.

        Returns the error to reply with; None if it was shown or is not supported: success has no reply.
        """

    def subscribe_presence(self, peer: Peer, users: Sequence[str]) -> RtmErrorCode | None:
        """Replace the users whose presence changes the peer gets; the states of new ones are sent at once.

        Returns the error to reply with; with one, the subscription before stays.
        """

    def query_presence(self, peer: Peer, users: Sequence[str]) -> None:
        """Send the present states of users to the peer, as presence_change events. ``users`` has no id twice."""

    def tickle(self, peer: Peer) -> None:
        """Note that the peer's user is active. Never answered."""
