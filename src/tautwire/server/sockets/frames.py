"""The WebSocket frames of the server: text frames, unfragmented, uncompressed, unmasked.

Source: RFC 6455 section 5.2; why neither fragments nor compression: wire/frames.md#the-websocket-layer (read in SDKs).
"""

from struct import pack


def text_frame(payload: bytes) -> bytes:
    """Return the frame that carries ``payload``, which is UTF-8 JSON."""
    size = len(payload)
    if size < 126:
        return b"\x81" + size.to_bytes() + payload
    if size < 65_536:
        return pack("!BBH", 0x81, 126, size) + payload
    return pack("!BBQ", 0x81, 127, size) + payload


def payload_of(frame: bytes) -> bytes:
    """Return what a frame of ``text_frame`` carries."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]
