"""Frames of a client on their way out: checked and written as JSON once, and numbered when they are sent.

A frame is prepared before it waits for a connection or its turn, so that a mistake is raised where it was made. Its
number is known only when it is sent, and is put behind what is written by then. ``tautwire.session.members`` knows what
each type of frame needs; ``tautwire.session.client`` says which ids are free.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tautwire.protocol.codec import encode
from tautwire.protocol.frames import ClientFrame, PingMessage
from tautwire.session.members import FrameError, check_members, member

MAX_FRAME_SIZE: Final = 16_384
"""Bytes of one frame to the server, which ends the connection over a longer one.
Source: wire/limits.md#frame-size (documented)."""

MAX_FRAME_ID: Final = 2**52
"""Largest id a user may give a frame: exact in JSON everywhere."""


class Prepared(NamedTuple):
    """A frame that may be sent."""

    kind: str
    """Its type on the wire."""
    body: bytes
    """Its JSON; without an id unless it has one of its own."""
    id: int | None
    """The id that its sender gave it."""
    awaits_reply: bool


class Sent:
    """A frame that was sent, and the one place where it is kept until its reply comes.

    Args:
        id: its id on the wire.
        payload: its JSON as it was sent.
        sent_at: when.
        awaits_reply: whether it gets a reply.
        is_own: whether the session itself wants the reply.
    """

    __slots__ = ("awaits_reply", "id", "is_own", "payload", "sent_at", "waiter")

    def __init__(
        self,
        id: int,  # noqa: A002 (the wire's word)
        payload: bytes,
        sent_at: float,
        *,
        awaits_reply: bool,
        is_own: bool = False,
    ) -> None:
        self.id = id
        self.payload = payload
        self.sent_at = sent_at
        self.awaits_reply = awaits_reply
        self.is_own = is_own
        self.waiter: Any = None
        """What the owner of the session wants to find again with the reply, such as a future."""

    def __repr__(self) -> str:
        return f"Sent({self.id}, {self.payload!r}, {self.sent_at:g})"


def parse_frame(text: str) -> dict[str, Any]:
    """Return the members of a frame given as JSON text.

    Raises:
        FrameError: the text is not a JSON object.
    """
    try:
        members = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError) as error:
        raise FrameError(f"a frame must be a JSON object: {error}") from None
    if not isinstance(members, dict):
        raise FrameError(f"a frame must be a JSON object, got {type(members).__name__}")
    return members


def type_of(frame: ClientFrame | Mapping[str, Any]) -> str:
    """Return the type a frame has on the wire, "" if it has none that is a text."""
    if isinstance(frame, Mapping):
        kind = frame.get("type")
        return kind if isinstance(kind, str) else ""
    return "ping" if isinstance(frame, PingMessage) else str(frame.__struct_config__.tag)


def prepare(frame: ClientFrame | Mapping[str, Any]) -> Prepared:
    """Check a frame and write it as JSON.

    Raises:
        FrameError: a member is missing, too long or of the wrong type, or the frame is too long.
    """
    frame_id = member(frame, "id")
    if frame_id is None and isinstance(frame, Mapping) and "id" in frame:
        frame = {name: value for name, value in frame.items() if name != "id"}
    kind = type_of(frame)
    if not kind:
        raise FrameError(f"type must be a str such as 'message', got {member(frame, 'type')!r}")
    check_members(kind, frame)
    if frame_id is not None and (type(frame_id) is not int or not 0 < frame_id <= MAX_FRAME_ID):
        raise FrameError(f"id must be an integer from 1 to 2**52, got {frame_id!r}")
    try:
        body = encode(frame)
    except (TypeError, ValueError) as error:
        raise FrameError(f"the frame cannot be written as JSON: {error}") from None
    prepared = Prepared(kind, body, frame_id, kind in ("message", "ping"))
    numbered(prepared, 1)
    return prepared


def numbered(frame: Prepared, free_id: int) -> bytes:
    """Return a frame as it is sent, with ``free_id`` if it has no id of its own.

    Raises:
        FrameError: the frame is too long with this id.
    """
    payload = frame.body if frame.id is not None else b'%b,"id":%d}' % (frame.body[:-1], free_id)
    if len(payload) > MAX_FRAME_SIZE:
        raise FrameError(f"the frame must have at most {MAX_FRAME_SIZE} bytes, got {len(payload)}")
    return payload


PING: Final = prepare(PingMessage())
"""A ping as the client itself sends it."""
