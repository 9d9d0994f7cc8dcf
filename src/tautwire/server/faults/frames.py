"""Which frames a fault is about, told by their first bytes: they are the server's own, so their form is known."""

from typing import Final, Literal

Nature = Literal["ack", "event", "envelope", ""]

_ENVELOPE: Final = b'{"envelope_id"'


def nature_of(payload: bytes) -> Nature:
    """Return what a frame of the server is: the reply to a message, a message, an envelope of Socket Mode, or other."""
    if payload.startswith(_ENVELOPE):
        return "envelope"
    if b'"type":"message"' in payload:
        return "event"
    if b'"reply_to"' in payload and b'"type"' not in payload:
        return "ack"
    return ""
