"""The signature of a request to an app. Pure. Source: wire/events-api.md#signatures (documented)."""

import hashlib
import hmac
from typing import Final

WINDOW: Final = 300
"""Seconds that the time of a signature may differ from the receiver's. Source: wire/events-api.md#signatures."""
_DIGITS: Final = 12
"""More than any time of a signature has."""


def signature(secret: str, body: bytes, now: int) -> str:
    """Return ``X-Slack-Signature`` of a body at a time in seconds."""
    return "v0=" + hmac.new(secret.encode(), b"v0:%d:%b" % (now, body), hashlib.sha256).hexdigest()


def signed(secret: str, body: bytes, now: int) -> dict[str, str]:
    """Return the headers that sign a body."""
    return {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": signature(secret, body, now)}


def is_signed(secret: str, body: bytes, timestamp: str, given: str, now: int) -> bool:
    """Whether the two headers sign a body, not longer ago than ``WINDOW``. The time that it takes tells nothing.

    Args:
        timestamp: ``X-Slack-Request-Timestamp``.
        given: ``X-Slack-Signature``.
        now: seconds since 1970.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _DIGITS):
        return False
    time = int(timestamp)
    expected = signature(secret, body, time)
    return hmac.compare_digest(expected.encode(), given.encode()) and abs(now - time) <= WINDOW
