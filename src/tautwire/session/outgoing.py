"""Frames of a client on their way out: numbered, checked and written as JSON.

``tautwire.session.members`` knows what each type of frame needs; ``tautwire.session.client`` says which ids are free.
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


class Sent(NamedTuple):
    """A frame that was accepted for sending."""

    id: int
    payload: bytes
    awaits_reply: bool


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


def check_frame(frame: ClientFrame | Mapping[str, Any]) -> None:
    """Check that a frame may be sent, before it waits for a connection or its turn.

    Raises:
        FrameError: a member is missing, too long or of the wrong type.
    """
    prepare(frame, 1)


def prepare(frame: ClientFrame | Mapping[str, Any], free_id: int) -> Sent:
    """Return a frame as bytes, with ``free_id`` if it has no id of its own.

    Raises:
        FrameError: a member is missing, too long or of the wrong type, or the frame is too long.
    """
    frame = _numbered(frame, free_id)
    frame_id = member(frame, "id")
    kind = type_of(frame)
    if not kind:
        raise FrameError(f"type must be a str such as 'message', got {member(frame, 'type')!r}")
    check_members(kind, frame)
    if type(frame_id) is not int or not 0 < frame_id <= MAX_FRAME_ID:
        raise FrameError(f"id must be an integer from 1 to 2**52, got {frame_id!r}")
    try:
        payload = encode(frame)
    except (TypeError, ValueError) as error:
        raise FrameError(f"the frame cannot be written as JSON: {error}") from None
    if len(payload) > MAX_FRAME_SIZE:
        raise FrameError(f"the frame must have at most {MAX_FRAME_SIZE} bytes, got {len(payload)}")
    return Sent(frame_id, payload, kind in ("message", "ping"))


def _numbered(frame: ClientFrame | Mapping[str, Any], free_id: int) -> ClientFrame | Mapping[str, Any]:
    if isinstance(frame, Mapping):
        return frame if frame.get("id") is not None else {**frame, "id": free_id}
    if frame.id is not None:
        return frame
    if isinstance(frame, PingMessage):
        return PingMessage(free_id, **frame.extra)
    return msgspec.structs.replace(frame, id=free_id)
