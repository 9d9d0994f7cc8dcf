"""The server's side of one RTM connection as a pure state machine.

Theory. A session is ACCEPTED when the WebSocket is open and nothing was said yet. ``welcome`` sends hello and makes it
OPEN; ``refuse`` sends an error event and ends it. Only an OPEN or DRAINING session delivers events and takes commands.
``goodbye`` announces the end (DRAINING: commands are still answered, so that a client can finish what it began).
``close`` is final. Every ``message`` frame is answered exactly once, by ``acknowledge`` or ``reject``, in any order.

What needs the world (storing a message) comes out of ``receive`` as a command and returns as an intent. The shell in
``tautwire.server.rtm`` turns payloads into WebSocket frames and owns the socket, the clock and the outbox.

    state      welcome  refuse  goodbye   close
    ACCEPTED   OPEN     CLOSED  CLOSED    CLOSED
    OPEN       -        -       DRAINING  CLOSED
    DRAINING   -        -       DRAINING  CLOSED
    CLOSED     -        -       CLOSED    CLOSED
"""

from enum import Enum
from typing import Final, NamedTuple

from tautwire.protocol.codec import decode_command, encode
from tautwire.protocol.errors import LocalProtocolError, RtmErrorCode
from tautwire.protocol.frames import (
    Ack,
    AckError,
    InvalidFrame,
    Message,
    PingCommand,
    PresenceQuery,
    PresenceSub,
    Tickle,
    Typing,
    UnknownCommand,
)
from tautwire.protocol.ids import Ts
from tautwire.session.ratelimit import Rate, TokenBucket

MAX_FRAME_SIZE: Final = 16_384
"""Bytes of JSON in one client frame; a longer one ends the connection.
Source: wire/limits.md#frame-size (documented)."""

MAX_TEXT_LENGTH: Final = 4_000
"""Code points in a message text. Source: wire/limits.md#text-length (documented as the client's duty)."""

MAX_PRESENCE_IDS: Final = 500
"""Ids in one presence_query or presence_sub; further ones are ignored.
Source: wire/limits.md#presence-ids (documented)."""

MESSAGE_RATE: Final = Rate(per_second=1.0, burst=20)
"""Messages of one connection. Source: wire/limits.md#rate (1/s documented; the burst is recommended)."""

PRESENCE_RATE: Final = Rate(per_second=1.0, burst=20)
"""presence_sub and presence_query of one connection, which may name 500 users each and are answered for each of them.
Source: wire/limits.md#rate (documented as limited, the numbers are ours)."""

OTHER_RATE: Final = Rate(per_second=10.0, burst=100)
"""All other frames of one connection: pings, typing, tickles. Source: as above; typing is documented as once in three
seconds for each channel, and no known client pings more often than once a second."""

MAX_REJECTIONS: Final = 50
"""Rejections for speed in a row after which the connection is ended. Source: wire/limits.md#rate (recommended)."""

MAX_PENDING: Final = 1_024
"""Messages of one connection that wait for their ack, beyond which the shell should read no further for a while."""

HELLO: Final = b'{"type":"hello"}'
GOODBYE: Final = b'{"type":"goodbye"}'

TOO_BIG: Final = 1009
TOO_FAST: Final = 1008


class State(Enum):
    """Where a session is in its life."""

    ACCEPTED = "accepted"
    OPEN = "open"
    DRAINING = "draining"
    CLOSED = "closed"


class Step(Enum):
    """What the server may do to a session."""

    WELCOME = "welcome"
    REFUSE = "refuse"
    GOODBYE = "goodbye"
    CLOSE = "close"


TRANSITIONS: Final[dict[tuple[State, Step], State]] = {
    (State.ACCEPTED, Step.WELCOME): State.OPEN,
    (State.ACCEPTED, Step.REFUSE): State.CLOSED,
    (State.ACCEPTED, Step.GOODBYE): State.CLOSED,
    (State.ACCEPTED, Step.CLOSE): State.CLOSED,
    (State.OPEN, Step.GOODBYE): State.DRAINING,
    (State.OPEN, Step.CLOSE): State.CLOSED,
    (State.DRAINING, Step.GOODBYE): State.DRAINING,
    (State.DRAINING, Step.CLOSE): State.CLOSED,
    (State.CLOSED, Step.GOODBYE): State.CLOSED,
    (State.CLOSED, Step.CLOSE): State.CLOSED,
}
"""All steps there are; a pair that is missing is an error of the caller."""


LIVE: Final = (State.OPEN, State.DRAINING)
"""The states in which events may be delivered and commands are taken."""


class Answer(NamedTuple):
    """A payload to send back on this connection now."""

    payload: bytes
    error: RtmErrorCode | None = None
    """What is wrong, if it is an error reply."""


class Close(NamedTuple):
    """The connection has to be closed with this WebSocket code."""

    code: int
    reason: str


Command = Message | Typing | PresenceSub | PresenceQuery | Tickle
"""What the shell has to carry out. Ping, errors and unknown frames never leave the session."""


class ServerSession:
    """One RTM connection as the server sees it.

    Args:
        message_rate: how fast messages may come; None for no limit, on other frames neither.
    """

    __slots__ = ("_messages", "_others", "_pending", "_presence", "_rate", "state")

    def __init__(self, *, message_rate: Rate | None = MESSAGE_RATE) -> None:
        self.state = State.ACCEPTED
        self._rate = message_rate
        self._messages: _Gate | None = None  # most connections never send: they carry no gates
        self._presence: _Gate | None = None
        self._others: _Gate | None = None
        self._pending = 0

    @property
    def is_full(self) -> bool:
        """Whether so many messages wait for their answer that the shell should not read any more for now."""
        return self._pending >= MAX_PENDING

    @property
    def is_live(self) -> bool:
        """Whether events may be delivered and commands are taken."""
        return self.state in LIVE

    def welcome(self) -> bytes:
        """Open the session; return the hello payload, which has to be the first frame."""
        self._step(Step.WELCOME)
        return HELLO

    def refuse(self, code: RtmErrorCode) -> bytes:
        """End the session before it began; return the error event to send before the close."""
        self._step(Step.REFUSE)
        return encode({"type": "error", "error": {"code": int(code), "msg": code.msg}})

    def goodbye(self) -> bytes | None:
        """Announce the end; return the payload to send, None if the session is not open or did so before."""
        before = self.state
        self._step(Step.GOODBYE)
        return GOODBYE if before is State.OPEN else None

    def close(self) -> None:
        """End the session, whatever it was doing."""
        self._step(Step.CLOSE)

    def receive(self, data: bytes, now: float) -> Command | Answer | Close | None:
        """Take one complete client frame.

        Returns:
            A command to carry out, an answer to send, a close to make, or None when there is nothing to do.
            A ``Message`` has to be answered with ``acknowledge`` or ``reject``, once.

        ``now`` is in seconds, on a clock that never runs backwards.
        """
        if not self.is_live:
            return None
        if len(data) > MAX_FRAME_SIZE:
            return Close(TOO_BIG, f"frame over {MAX_FRAME_SIZE} bytes")
        command = decode_command(data)
        if type(command) is Message:  # by far the most frequent: before the ladder
            return self._receive_message(command, now)
        if self._rate is not None:
            gate = self._gate_of(command, now)
            if not gate.lets_pass(now):
                is_answered = not isinstance(command, Typing | Tickle | UnknownCommand)
                return self._refuse_fast(command.id, gate) if is_answered else None
        match command:
            case PingCommand():
                return Answer(command.pong())
            case PresenceSub() | PresenceQuery():
                if len(command.ids) > MAX_PRESENCE_IDS:
                    return type(command)(ids=command.ids[:MAX_PRESENCE_IDS], id=command.id)
                return command
            case Typing() | Tickle():
                return command
            case InvalidFrame():
                code = RtmErrorCode.INVALID_FRAME
                return Answer(encode(AckError.of(command.id or 0, code, command.reason)), code)
            case _:
                return None  # wire/frames.md#client-frames (recommended): what a newer client may say is no error

    def acknowledge(self, message_id: int | None, ts: Ts, text: str) -> bytes | None:
        """Return the ack of a stored message, None if the session ended meanwhile."""
        self._answer()
        if not self.is_live:
            return None
        if message_id is None:
            return encode(Ack(reply_to=None, ts=ts, text=text))
        return b'{"ok":true,"reply_to":%d,"ts":"%b","text":%b}' % (message_id, ts.encode(), encode(text))

    def reject(self, message_id: int | None, code: RtmErrorCode) -> bytes | None:
        """Return the error reply to a message, None if the session ended meanwhile."""
        self._answer()
        return encode(AckError.of(message_id, code)) if self.is_live else None

    def fail(self, frame_id: int | None, code: RtmErrorCode) -> bytes | None:
        """Return the error reply to a frame that has no other answer, such as typing; None if the session ended."""
        return encode(AckError.of(frame_id, code)) if self.is_live else None

    def _receive_message(self, message: Message, now: float) -> Message | Answer | Close:
        if self._rate is not None:
            if self._messages is None:
                self._messages = _Gate(self._rate, now)
            if not self._messages.lets_pass(now):
                return self._refuse_fast(message.id, self._messages)
        if not message.text:
            return Answer(encode(AckError.of(message.id, RtmErrorCode.NO_TEXT)), RtmErrorCode.NO_TEXT)
        if len(message.text) > MAX_TEXT_LENGTH:
            return Answer(encode(AckError.of(message.id, RtmErrorCode.TEXT_TOO_LONG)), RtmErrorCode.TEXT_TOO_LONG)
        self._pending += 1
        return message

    def _gate_of(self, command: object, now: float) -> "_Gate":
        """Return what limits the rate of a frame that is no message."""
        if isinstance(command, PresenceSub | PresenceQuery):
            if self._presence is None:
                self._presence = _Gate(PRESENCE_RATE, now)
            return self._presence
        if self._others is None:
            self._others = _Gate(OTHER_RATE, now)
        return self._others

    def _refuse_fast(self, frame_id: int | None, gate: "_Gate") -> Answer | Close:
        gate.refused += 1  # here: what is dropped without an answer does not count, for its sender gets no warning
        if gate.refused >= MAX_REJECTIONS:
            return Close(TOO_FAST, "too many frames")
        return Answer(encode(AckError.of(frame_id, RtmErrorCode.SLOW_DOWN)), RtmErrorCode.SLOW_DOWN)

    def _answer(self) -> None:
        if self._pending == 0:
            raise LocalProtocolError("a message frame is answered once: no message of this session waits for a reply")
        self._pending -= 1

    def _step(self, step: Step) -> None:
        try:
            self.state = TRANSITIONS[self.state, step]
        except KeyError:
            raise LocalProtocolError(f"cannot {step.value} a session that is {self.state.value}") from None


class _Gate(TokenBucket):
    """The rate of one kind of frames, and how many refusals were answered in a row."""

    __slots__ = ("refused",)

    def __init__(self, rate: Rate, now: float) -> None:
        super().__init__(rate, now)
        self.refused = 0

    def lets_pass(self, now: float) -> bool:
        """Count a frame in; return False if it came too fast."""
        passes = self.take(now)
        if passes:
            self.refused = 0
        return passes
