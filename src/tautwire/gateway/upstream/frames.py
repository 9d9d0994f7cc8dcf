"""The frames of Socket Mode as the upstream sends them. Pure. Source: wire/socket-mode.md#server-frames."""

from typing import Final

import msgspec

REASONS: Final = frozenset({"link_disabled", "refresh_requested", "too_many_websockets", "warning"})
"""The reasons of ``disconnect``; the figures have no others."""


class Envelope(msgspec.Struct, gc=False):
    """A frame. ``payload`` is decoded by those who know its type."""

    type: str = ""
    envelope_id: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    reason: str = ""
    retry_attempt: int = 0
    debug_info: msgspec.Raw = msgspec.Raw(b"{}")


class _Debug(msgspec.Struct, gc=False):
    """``debug_info`` of ``hello``."""

    keeps_events: bool = False


decode: Final = msgspec.json.Decoder(Envelope).decode
"""Return the frame of a text; raises ``msgspec.MsgspecError`` or ``RecursionError``."""
_decode_debug: Final = msgspec.json.Decoder(_Debug).decode


def keeps_events(hello: Envelope) -> bool:
    """Whether the upstream keeps events while the app has no connection, as a server of ours says."""
    try:
        return _decode_debug(hello.debug_info).keeps_events
    except (msgspec.MsgspecError, RecursionError):
        return False
