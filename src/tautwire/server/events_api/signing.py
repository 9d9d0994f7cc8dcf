"""The signature of a request to an app. Pure. Source: wire/events-api.md#signatures (documented)."""

import hashlib
import hmac


def signature(secret: str, body: bytes, now: int) -> str:
    """Return ``X-Slack-Signature`` of a body at a time in seconds."""
    return "v0=" + hmac.new(secret.encode(), b"v0:%d:%b" % (now, body), hashlib.sha256).hexdigest()


def signed(secret: str, body: bytes, now: int) -> dict[str, str]:
    """Return the headers that sign a body."""
    return {"X-Slack-Request-Timestamp": str(now), "X-Slack-Signature": signature(secret, body, now)}
