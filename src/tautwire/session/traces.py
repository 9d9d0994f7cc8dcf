"""What the spans of client, server and gateway have in common: names after OpenTelemetry's conventions for messaging.

Spans say ids, sizes, counts and error codes: no text of a message, no argument of a call and no token.
"""

import re
from typing import Final

SYSTEM: Final = "tautwire"
"""``messaging.system`` of all spans of messages."""

MESSAGE_ID: Final = "messaging.message.id"
"""The ts of a message. RTM carries no context of a trace: the ts leads from the span of a sender to the server's."""

_ID: Final = re.compile(r"[A-Z0-9]{2,24}", re.ASCII)


def message_attributes(operation: str, kind: str, channel: object) -> dict[str, str]:
    """Return the attributes of a span about a message.

    Args:
        operation: ``messaging.operation.name``.
        kind: ``messaging.operation.type``, such as ``send``.
        channel: left out unless it is an id, since a caller may send anything.
    """
    attributes = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
    }
    if isinstance(channel, str) and _ID.fullmatch(channel):
        attributes["messaging.destination.name"] = channel
    return attributes


def error_type(error: BaseException) -> str:
    """Return the ``error.type`` of an error: its code, else its class. Its text may have what a user sent."""
    return str(getattr(error, "code", None) or type(error).__name__)
