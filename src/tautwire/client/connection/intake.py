"""What a connection passes on, what it keeps back, and whether its socket is read meanwhile.

Events are kept back while the connection is on hold, since its predecessor delivers first
(``client/connection/handover``), and while a queue has no room at all (``client/backpressure``). What is left
unread in the socket is not lost: it is read when there is room, or else the connection ends, which is a gap.

Nothing here knows the socket: ``client/connection/connection`` carries out what is decided here.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeAlias

from tautwire.client.backpressure import Backpressure
from tautwire.client.errors import SendRefused
from tautwire.session.client import Arrival, Deliver, Positioned

MAX_HELD: Final = 4 * 1024 * 1024
"""Bytes of frames that come on hold before nothing is read but replies; as many again for those."""

Kept: TypeAlias = Deliver | Positioned


class RawHandlers(Protocol):
    """Handlers of text messages as they came; nearly always there are none, and the frames are not passed on."""

    @property
    def bindings(self) -> tuple[object, ...]:
        """What is registered now."""


class Inbox(Protocol):
    """What a connection delivers to. All methods are called on the loop and must not raise."""

    flow: Backpressure
    """Says when not to read."""

    @property
    def raw(self) -> RawHandlers:
        """The handlers of text messages as they came."""

    def frames_received(self, frames: Sequence[bytes]) -> None:
        """Called with text messages as they came, before their events."""

    def events_received(self, arrivals: Iterable[Arrival], frames: Sequence[bytes]) -> None:
        """Called with the next events, and the frames they came in, perhaps with positions among them."""

    def positioned(self, position: str) -> None:
        """Called with the position up to which the server's log was delivered."""

    def stored(self, payload: bytes, ts: str) -> None:
        """Called when a message that went out as ``payload`` got its ack."""

    def pinged(self, round_trip: float) -> None:
        """Called with the seconds that a ping took."""

    def refused(self, error: SendRefused) -> None:
        """Called when a frame was refused whose reply is not awaited."""


class Intake:
    """How much one connection takes in."""

    def __init__(self, inbox: Inbox) -> None:
        self.reads = True
        """Whether the socket is read now."""
        self.takes_one_read = False
        """Whether one read is to be taken although there is no room."""
        self.is_on_hold = False
        """Whether everything is kept back for now."""
        self.size = 0
        """Bytes of the frames that came on hold."""
        self.held: list[Kept] = []
        """What is kept back, in order."""
        self._inbox = inbox
        self._flow = inbox.flow
        self._read_until = 0.0
        self._passed_on_until = 0.0

    def put(self, effect: Kept) -> None:
        """Pass on what the server sent, or keep it back behind what is kept already."""
        if self.is_on_hold or self.held or self._flow.is_stuffed:
            self.held.append(effect)
        else:
            self.pass_on(effect)

    def pass_on(self, effect: Kept) -> None:
        """Pass on what the server sent, whether there is room or not."""
        if isinstance(effect, Deliver):
            self._inbox.events_received(effect.arrivals, effect.frames)
        else:
            self._inbox.positioned(effect.position)

    def take(self) -> list[Kept]:
        """Return what was kept back, and keep it no more."""
        held, self.held, self.size = self.held, [], 0
        return held

    @property
    def may_pass_on(self) -> bool:
        """Whether something is kept back without a reason any more."""
        return bool(self.held) and not self.is_on_hold and not self._flow.is_stuffed

    @property
    def is_full(self) -> bool:
        """Whether nothing is read but what must be."""
        return self._flow.is_full or self.size >= MAX_HELD

    @property
    def is_stuffed(self) -> bool:
        """Whether nothing is read at all."""
        return self._flow.is_stuffed or self.size >= 2 * MAX_HELD

    def wants(self, *, is_owed: bool) -> bool:
        """Return whether to read.

        A full queue stops reading, but not while a reply is awaited: the handler that the queue waits for may await it.
        A queue without any room stops it then, too; the reply is given up in its time.
        """
        if not self.is_full:
            return True
        return (is_owed or self.takes_one_read) and not self.is_stuffed

    def turn(self, reads: bool, heard_at: float) -> None:
        """Note that reading begins or ends, and when the server was last heard."""
        if not reads:
            self._read_until = heard_at
        self.reads = reads

    def note_heard(self, heard_at: float) -> None:
        """Note when the server was last heard, before it is heard again."""
        if not self.held:
            self._passed_on_until = heard_at

    def heard_at(self, heard_at: float) -> float:
        """Return when the server was last heard, leaving aside what is not read or kept back."""
        if self.held:
            return self._passed_on_until
        return heard_at if self.reads else self._read_until
