"""The frames that are no events: what a client sends, what the server reads of it, and the replies.

A client builds ``Message``, ``Typing``, ``PingMessage``, ``PresenceSub``, ``PresenceQuery`` and ``Tickle``. The server
reads the same classes, except that a ping arrives as ``PingCommand`` and that a frame may be an ``UnknownCommand`` or
an ``InvalidFrame``. ``Ack``, ``AckError`` and ``Pong`` are the replies; ``Position`` only our own client asks for.

``tautwire.protocol.codec`` turns bytes into these and back. Source: wire/frames.md and wire/replies-and-errors.md.
"""

from typing import Annotated, Self, TypeAlias

import msgspec
from msgspec import Meta, Raw, Struct

from tautwire.protocol.errors import RtmErrorCode
from tautwire.protocol.ids import ChannelId, Ts, UserId

FrameId: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""The number a client gives a frame, unique on its connection; the reply carries it as ``reply_to``."""


class _ClientFrame(Struct, frozen=True, omit_defaults=True):
    """What the frames of a client have in common."""

    def to_json(self) -> str:
        """Return the frame as the text to send; members that were not given are left out."""
        return msgspec.json.encode(self).decode()


class Message(_ClientFrame, frozen=True, tag="message"):
    """Post a text as the user of the connection. Answered by ``Ack`` or ``AckError``.

    Source: documented; attachments and blocks of such a frame are ignored (documented as unsupported).
    """

    channel: ChannelId
    text: str
    """With ``&``, ``<`` and ``>`` escaped; see ``tautwire.protocol.text``."""

    id: FrameId | None = None
    thread_ts: Ts | None = None
    """The message to reply to."""

    reply_broadcast: bool | None = None
    """Whether the reply is shown in the channel as well."""


class Typing(_ClientFrame, frozen=True, tag="typing"):
    """Show that the user is typing; at most every three seconds. Answered only when it fails. Source: documented."""

    channel: ChannelId
    id: FrameId | None = None
    thread_ts: Ts | None = None
    """The thread they are typing in. Source: captured."""


class PresenceSub(_ClientFrame, frozen=True, tag="presence_sub"):
    """Replace the list of users whose presence changes this connection gets. Source: documented."""

    ids: list[UserId]
    id: FrameId | None = None


class PresenceQuery(_ClientFrame, frozen=True, tag="presence_query"):
    """Ask once for the presence of up to 500 users; the answers are presence_change events. Source: documented."""

    ids: list[UserId]
    id: FrameId | None = None


class Tickle(_ClientFrame, frozen=True, tag="tickle"):
    """Tell that the user is active. Never answered. Source: captured."""

    id: FrameId | None = None


class PingMessage:
    """Ask for a ``Pong`` that carries the same members. Source: documented for scalar members.

    Args:
        id: the frame's number.
        extra: further members, such as a ``time`` to measure with.
    """

    __slots__ = ("extra", "id")

    def __init__(self, id: int | None = None, **extra: str | float | bool | None) -> None:  # noqa: A002 - the wire's word
        self.id = id
        self.extra = extra

    def to_json(self) -> str:
        """Return the frame as the text to send."""
        numbered = {} if self.id is None else {"id": self.id}
        return msgspec.json.encode({"type": "ping", **numbered, **self.extra}).decode()


ClientFrame: TypeAlias = Message | Typing | PingMessage | PresenceSub | PresenceQuery | Tickle
"""What a client may send."""


class PingCommand(Struct, frozen=True):
    """A ping as the server reads it."""

    id: int | None
    members: dict[str, Raw]
    """Everything besides ``type`` and ``id``, nested or not, as it came. Java nests. Source: read in an SDK."""

    def pong(self) -> bytes:
        """Return the answer, which echoes all members. Source: documented."""
        return Pong(self.id, self.members).to_bytes()


class UnknownCommand(Struct, frozen=True):
    """A frame of a type this server does not know; it is no error (recommended)."""

    type: str
    id: int | None


class InvalidFrame(Struct, frozen=True):
    """What a client sent is no frame: not UTF-8, not JSON, no object, or without a ``type``."""

    reason: str
    id: int | None


Command: TypeAlias = (
    Message | Typing | PingCommand | PresenceSub | PresenceQuery | Tickle | UnknownCommand | InvalidFrame
)
"""What the server may read."""


class Ack(Struct, frozen=True):
    """The message with this number is stored. On the wire it has no ``type``. Source: documented."""

    reply_to: int | None
    """The frame's number; None if it had none."""

    ts: Ts | None = None
    text: str | None = None
    """As stored; links may have been marked."""


class AckError(Struct, frozen=True):
    """The frame with this number was refused. On the wire it has no ``type``. Source: documented."""

    reply_to: int | None
    code: int
    msg: str

    @classmethod
    def of(cls, reply_to: int | None, code: RtmErrorCode, msg: str | None = None) -> Self:
        """Make the reply for an error of the list, in its usual words or in better ones."""
        return cls(reply_to, code.number, msg or code.msg)


class Pong(Struct, frozen=True):
    """The answer to a ping. Source: documented."""

    reply_to: int | None
    members: dict[str, Raw]
    """The other members of the ping; read them with ``opendata.to_python``."""

    def to_bytes(self) -> bytes:
        """Return the frame as it is sent."""
        numbered = {} if self.reply_to is None else {"reply_to": self.reply_to}
        return msgspec.json.encode({"type": "pong", **self.members, **numbered})


class Position(Struct, frozen=True, tag="position"):
    """Everything up to this place in the workspace's log was delivered. Source: our own; sent only on request.

    The place is opaque: only the server that gave it can read it. Older servers wrote a number.
    """

    position: str | int


Reply: TypeAlias = Ack | AckError | Pong
"""What the server answers a frame with."""
