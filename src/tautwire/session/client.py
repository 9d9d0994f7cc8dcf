"""The client's side of one RTM connection as a pure state machine.

Theory. A session begins with an open socket (OPENING): the server must send a hello first, and nothing is delivered
before it. Then it is READY: events come in order, frames may be sent, and each ``message`` or ``ping`` frame waits for
its one reply, found by ``reply_to`` only. A goodbye makes it LEAVING: everything still works, but a successor is
wanted. CLOSED is final; replies that are still awaited will not come, and the outcome of their frames is unknown.

What the peer sends never raises: every step is defined in every state.

    state      hello    goodbye  refuse   end
    OPENING    READY    CLOSED   CLOSED   CLOSED
    READY      READY    LEAVING  READY    CLOSED
    LEAVING    LEAVING  LEAVING  LEAVING  CLOSED
    CLOSED     CLOSED   CLOSED   CLOSED   CLOSED

Each call appends what there is to do to ``effects``, in order; events to deliver are effects too. Time is an argument,
in seconds, of any clock that never runs backwards. The shell in ``client/connection/connection`` owns the socket and
the clock, carries out the effects, and calls ``handle_time`` when ``deadline`` has come.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import compress
from typing import Any, Final, NamedTuple, TypeAlias, cast

from tautwire.protocol.codec import ServerFrame, decode_events
from tautwire.protocol.errors import LocalProtocolError
from tautwire.protocol.events import ErrorEvent, Event, GoodbyeEvent, HelloEvent, TeamMigrationStartedEvent
from tautwire.protocol.frames import Ack, AckError, Pong, Position
from tautwire.session.members import FrameError
from tautwire.session.outgoing import PING, Prepared, Sent, numbered

MAX_OWN_ID: Final = 2**31 - 1
"""Largest id a session gives by itself, since servers may keep ids in 32 bits; then it begins again with 1."""

MAX_EARLY_SIZE: Final = 4 * 1024 * 1024
"""Bytes of events that are kept until the hello. The connection ends as broken if more come before it."""


MAX_POSITION: Final = 1024
"""Characters of a position that is remembered. It stands in the address of the next rtm.connect, and an address that is
too long is refused each time."""

MAX_RETRY_AFTER: Final = 24 * 3600
"""Upper bound, in seconds, of the pause that an error event may ask for."""


class Timeouts(NamedTuple):
    """How long a session waits, in seconds."""

    hello: float = 15.0
    """For the hello of an open socket. Source: wire/reconnecting.md#a-clients-algorithm (recommended)."""

    idle: float = 10.0
    """Without a byte from the server before a ping asks for one.
    Source: wire/reconnecting.md#a-clients-algorithm (recommended)."""

    silence: float = 30.0
    """Without a byte from the server before the connection counts as lost.
    Source: wire/reconnecting.md#a-clients-algorithm (recommended)."""

    reply: float = 10.0
    """For the reply to a frame; after that the outcome is unknown.
    Source: wire/reconnecting.md#a-clients-algorithm (recommended)."""


class State(Enum):
    """Where a session is in its life."""

    OPENING = "opening"
    READY = "ready"
    LEAVING = "leaving"
    CLOSED = "closed"


class Step(Enum):
    """What may happen to a session."""

    HELLO = "hello"
    GOODBYE = "goodbye"
    """A goodbye event, or team_migration_started, which says the same."""
    REFUSE = "refuse"
    """An error event: before the hello it ends the session, later it is one event among others."""
    END = "end"
    """The socket ended, time ran out, or we close it."""


TRANSITIONS: Final[dict[tuple[State, Step], State]] = {
    (State.OPENING, Step.HELLO): State.READY,
    (State.OPENING, Step.GOODBYE): State.CLOSED,
    (State.OPENING, Step.REFUSE): State.CLOSED,
    (State.OPENING, Step.END): State.CLOSED,
    (State.READY, Step.HELLO): State.READY,
    (State.READY, Step.GOODBYE): State.LEAVING,
    (State.READY, Step.REFUSE): State.READY,
    (State.READY, Step.END): State.CLOSED,
    (State.LEAVING, Step.HELLO): State.LEAVING,
    (State.LEAVING, Step.GOODBYE): State.LEAVING,
    (State.LEAVING, Step.REFUSE): State.LEAVING,
    (State.LEAVING, Step.END): State.CLOSED,
    (State.CLOSED, Step.HELLO): State.CLOSED,
    (State.CLOSED, Step.GOODBYE): State.CLOSED,
    (State.CLOSED, Step.REFUSE): State.CLOSED,
    (State.CLOSED, Step.END): State.CLOSED,
}
"""All steps in all states."""


class Cause(Enum):
    """Why a connection ended: few enough to count by."""

    GOODBYE = "goodbye"
    """The server said before that it would end it, or move the workspace."""
    CLOSED = "closed"
    """The server sent a Close frame."""
    DROPPED = "dropped"
    """The socket ended without a Close frame."""
    SILENCE = "silence"
    """Nothing was heard for too long."""
    NO_HELLO = "no_hello"
    ERROR = "error"
    """The server sent an error event instead of a hello."""
    BROKEN = "broken"
    """The server broke the WebSocket protocol, or sent too long a message."""
    REPLACED = "replaced"
    """The user wanted a new connection."""
    STOPPED = "stopped"
    """The user wanted no connection any more."""


Arrival: TypeAlias = tuple[Event, bytes]
"""An event and the frame it came in."""


class Deliver(NamedTuple):
    """Events came, in this order."""

    arrivals: Iterable[Arrival]
    """A one-shot iterable: iterate it only once."""
    frames: Sequence[bytes]
    """The frames they came in, perhaps with positions among them."""


class Opened(NamedTuple):
    """The hello came: events follow, frames may be sent."""


class Leaving(NamedTuple):
    """The server will close; a successor is wanted."""

    reason: str


class Transmit(NamedTuple):
    """A frame of the session's own to send now."""

    payload: bytes


class Settled(NamedTuple):
    """A frame got its reply."""

    sent: Sent
    reply: Ack | AckError | Pong
    round_trip: float
    """Seconds between the frame and its reply."""


class Pinged(NamedTuple):
    """The server answered a ping, of ours or of the user."""

    id: int
    round_trip: float
    """Seconds it took."""


class Expired(NamedTuple):
    """A frame got no reply in time; what became of it is unknown."""

    sent: Sent


class Stray(NamedTuple):
    """An error reply to a frame that does not wait for one, such as typing."""

    reply: AckError


class Positioned(NamedTuple):
    """Everything up to this position of the workspace's log was delivered. Only our own server says so."""

    position: str


class Ended(NamedTuple):
    """The session is over: close the socket if it is still open."""

    reason: str
    cause: Cause
    code: int | None = None
    """Number of the server's error event, if that was the reason."""
    retry_after: float = 0.0
    """Seconds the server wants us to wait before the next connection."""


_POSITIONS: Final[frozenset[type]] = frozenset({Position})

Effect = Deliver | Opened | Leaving | Transmit | Settled | Pinged | Expired | Stray | Positioned | Ended


class ClientSession:
    """One RTM connection as the client sees it.

    Args:
        now: when the socket opened.
        timeouts: how long to wait for hello, replies and signs of life.
        first_id: the first id this session gives. An id that no connection before had cannot be taken for an old one.
    """

    def __init__(self, now: float, *, timeouts: Timeouts | None = None, first_id: int = 1) -> None:
        self.state = State.OPENING
        self.is_live = False
        """Whether events are delivered and frames may be sent: the state is READY or LEAVING."""
        self.effects: list[Effect] = []
        """What is to be done, in order. The shell takes the list and leaves an empty one."""
        self.next_id = first_id
        self.round_trip: float | None = None
        """Seconds the last ping took, None before the first answer."""
        self._timeouts = timeouts or Timeouts()
        self._opened_at = now
        self.heard_at = now
        """When the server was last heard."""
        self._pinged_at = now
        self._pending: dict[int, Sent] = {}  # by id, oldest first; all wait equally long
        self._early: list[Arrival] = []
        self._early_size = 0
        self._reactions: dict[type, Callable[[Any, float], None]] = {
            HelloEvent: self._hello,
            GoodbyeEvent: self._goodbye,
            TeamMigrationStartedEvent: self._goodbye,
            ErrorEvent: self._refuse,
            Ack: self._reply,
            AckError: self._reply,
            Pong: self._reply,
            Position: self._position,
        }

    @property
    def is_owed(self) -> bool:
        """Whether the owner waits for a reply."""
        return any(not each.is_own for each in self._pending.values())

    @property
    def unanswered(self) -> list[Sent]:
        """The frames whose reply the owner waits for, oldest first."""
        return [each for each in self._pending.values() if not each.is_own]

    def take_unanswered(self) -> list[Sent]:
        """Return the frames that have no reply yet, and forget them: the owner settles them."""
        taken, self._pending = self.unanswered, {}
        return taken

    # -- what comes in --------------------------------------------------------------------------------------

    def receive(self, frames: Sequence[bytes], now: float) -> None:
        """Take text messages that came in together, in order."""
        self.heard_at = now
        decoded = decode_events(frames)
        if self.is_live:
            special = self._reactions.keys() & set(map(type, decoded))
            if not special:
                self.effects.append(Deliver(cast("Iterable[Arrival]", zip(decoded, frames, strict=True)), frames))
                return
            if special == _POSITIONS:
                self._take_with_positions(decoded, frames)
                return
        for frame, raw in zip(decoded, frames, strict=True):
            self._take(frame, raw, now)

    def _take_with_positions(self, decoded: Sequence[ServerFrame], frames: Sequence[bytes]) -> None:
        """Take events with positions among them. Of those the last one counts: it covers what the others do."""
        are_events = [each.__class__ is not Position for each in decoded]
        end = len(decoded) - 1 - are_events[::-1].index(False)
        if any(are_events[:end]):  # no tuple is made here for an event: the garbage collector would look at all of them
            before = compress(zip(decoded, frames, strict=True), are_events[:end])
            self.effects.append(Deliver(cast("Iterable[Arrival]", before), frames[:end]))
        self._position(cast("Position", decoded[end]), 0.0)
        if end + 1 < len(decoded):
            after = zip(decoded[end + 1 :], frames[end + 1 :], strict=True)
            self.effects.append(Deliver(cast("Iterable[Arrival]", after), frames[end + 1 :]))

    def _take(self, frame: ServerFrame, raw: bytes, now: float) -> None:
        """Take one frame: react to it, and deliver an event, or hold it until the hello."""
        if self.state is State.CLOSED:  # its sends were given up: the owner knows nothing of them any more
            return
        react = self._reactions.get(type(frame))
        if react is not None:
            react(frame, now)
        if isinstance(frame, Event):
            if self.is_live:
                arrivals, self._early = [(frame, raw), *self._early], []
                self.effects.append(Deliver(arrivals, [each for _, each in arrivals]))
            elif self.state is State.OPENING:  # a server should not send that before the hello; nothing is lost
                self._early.append((frame, raw))
                self._early_size += len(raw)
                if self._early_size > MAX_EARLY_SIZE:
                    self._step(Step.END, f"more than {MAX_EARLY_SIZE} bytes before the hello", Cause.BROKEN)

    def heard(self, now: float) -> None:
        """Called when bytes came in that are not a complete message yet: a sign of life."""
        self.heard_at = max(self.heard_at, now)

    def _hello(self, _event: HelloEvent, now: float) -> None:
        if self.state is State.OPENING:
            self._pinged_at = now
            self.effects.append(Opened())
        self._step(Step.HELLO)

    def _goodbye(self, event: GoodbyeEvent | TeamMigrationStartedEvent, _now: float) -> None:
        if self.state is State.READY:
            self.effects.append(Leaving(event.TYPE))
        self._step(Step.GOODBYE, event.TYPE, Cause.GOODBYE)

    def _refuse(self, event: ErrorEvent, _now: float) -> None:
        error = event.error
        reason = error.msg or "error event"
        wish = float(min(max(error.retry_after or 0, 0), MAX_RETRY_AFTER))
        self._step(Step.REFUSE, reason, Cause.ERROR, error.code, wish)

    def _reply(self, reply: Ack | AckError | Pong, now: float) -> None:
        sent = None if reply.reply_to is None else self._pending.pop(reply.reply_to, None)
        if sent is None:
            if isinstance(reply, AckError) and self.is_live:
                self.effects.append(Stray(reply))
            return  # an ack that is not awaited (any more) is of no use
        if isinstance(reply, Pong):
            self.round_trip = now - sent.sent_at
            self.effects.append(Pinged(sent.id, self.round_trip))
        if not sent.is_own:
            self.effects.append(Settled(sent, reply, now - sent.sent_at))

    def _position(self, position: Position, _now: float) -> None:
        place = str(position.position)
        if len(place) <= MAX_POSITION:
            self.effects.append(Positioned(place))

    # -- what goes out --------------------------------------------------------------------------------------

    def send(self, frame: Prepared, now: float) -> Sent:
        """Number a frame, if it has no number of its own, and wait for its reply, if it gets one.

        Returns:
            What to transmit, as ``payload``. ``Settled`` or ``Expired`` brings the very same object.

        Raises:
            FrameError: the frame is too long with its number, or its id waits for another reply.
            LocalProtocolError: the session is not live.
        """
        if not self.is_live:
            raise LocalProtocolError(f"cannot send on a session that is {self.state.value}")
        while self.next_id in self._pending:  # a user's, and only after the session has begun again
            self._count(self.next_id)
        frame_id = self.next_id if frame.id is None else frame.id
        if frame_id in self._pending:
            raise FrameError(f"id {frame_id} is in use: the reply to an earlier frame is awaited")
        sent = Sent(frame_id, numbered(frame, frame_id), now, awaits_reply=frame.awaits_reply)
        if self.next_id <= frame_id <= MAX_OWN_ID:  # a user's larger id is out of the way of ours
            self._count(frame_id)
        if sent.awaits_reply:
            self._pending[frame_id] = sent
        return sent

    def _count(self, used: int) -> None:
        self.next_id = used + 1 if used < MAX_OWN_ID else 1

    # -- time -----------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float | None:
        """When ``handle_time`` has to be called next; None once the session is closed. Traffic moves it back."""
        if self.state is State.CLOSED:
            return None
        if self.state is State.OPENING:
            return self._opened_at + self._timeouts.hello
        due = min(self.heard_at + self._timeouts.silence, max(self.heard_at, self._pinged_at) + self._timeouts.idle)
        oldest = next(iter(self._pending.values()), None)
        return due if oldest is None else min(due, oldest.sent_at + self._timeouts.reply)

    def handle_time(self, now: float) -> None:
        """Do what is due: give up on hello, silence or a reply, or ping. Calling it early does nothing."""
        if self.state is State.CLOSED:
            return
        if self.state is State.OPENING:
            if now >= self._opened_at + self._timeouts.hello:
                self._step(Step.END, f"no hello within {self._timeouts.hello:g} s", Cause.NO_HELLO)
            return
        if now >= self.heard_at + self._timeouts.silence:
            self._step(Step.END, f"silence for {self._timeouts.silence:g} s", Cause.SILENCE)
            return
        self._expire(now)
        if now >= max(self.heard_at, self._pinged_at) + self._timeouts.idle:
            self.ping(now)

    def _expire(self, now: float) -> None:
        while self._pending:
            oldest = next(iter(self._pending.values()))
            if oldest.sent_at + self._timeouts.reply > now:
                break
            del self._pending[oldest.id]
            if not oldest.is_own:  # whether the connection still lives, silence decides, and no ping
                self.effects.append(Expired(oldest))

    def ping(self, now: float) -> int:
        """Send a ping; return its id, which ``Pinged`` will carry.

        Raises:
            LocalProtocolError: the session is not live.
        """
        sent = self.send(PING, now)
        sent.is_own = True
        self._pinged_at = now
        self.effects.append(Transmit(sent.payload))
        return sent.id

    # -- the end --------------------------------------------------------------------------------------------

    def end(self, reason: str, cause: Cause) -> None:
        """Called when the socket ended, or is closed by us. Does nothing the second time."""
        self._step(Step.END, reason, cause)

    def _step(
        self,
        step: Step,
        reason: str = "",
        cause: Cause = Cause.STOPPED,
        code: int | None = None,
        retry_after: float = 0.0,
    ) -> None:
        was, self.state = self.state, TRANSITIONS[self.state, step]
        self.is_live = self.state in (State.READY, State.LEAVING)
        if self.state is State.CLOSED and was is not State.CLOSED:
            self._early.clear()
            if was is State.LEAVING and cause is not Cause.STOPPED:  # how it ends in the end says less
                cause = Cause.GOODBYE
            self.effects.append(Ended(reason, cause, code, retry_after))
