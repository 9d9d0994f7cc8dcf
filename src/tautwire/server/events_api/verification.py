"""The challenge by which an app shows that a URL is its own. Pure. Source: wire/events-api.md#url-verification."""

import secrets
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from tautwire.server.services.interactivity.payloads import VERIFICATION_TOKEN

MAX_ANSWER: Final = 4_096
"""Bytes that are read of an answer."""


def new_challenge() -> str:
    """Return a text that cannot be guessed."""
    return secrets.token_urlsafe(32)


def request(challenge: str) -> bytes:
    """Return the body of the request."""
    return msgspec.json.encode({"token": VERIFICATION_TOKEN, "challenge": challenge, "type": "url_verification"})


def is_answer(body: bytes, challenge: str) -> bool:
    """Whether a body has the challenge: as text, as a form or as JSON (documented: any of the three)."""
    text = body.decode(errors="replace").strip()
    if text == challenge or parse_qs(text, max_num_fields=None).get("challenge") == [challenge]:
        return True
    try:
        decoded: Any = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return isinstance(decoded, dict) and decoded.get("challenge") == challenge
