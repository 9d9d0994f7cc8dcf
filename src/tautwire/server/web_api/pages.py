"""Cutting long lists into pages, with opaque cursors. Source: webapi.md section 4."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from tautwire.server.services.errors import MethodError

T = TypeVar("T")
MAX_LIMIT: Final = 1_000


def page(items: Sequence[T], *, cursor: str, limit: int) -> tuple[Sequence[T], dict[str, Any]]:
    """Return the items of a page and its ``response_metadata``. ``limit`` 0 means all of them."""
    start = decode_cursor(cursor)
    size = check_limit(limit) or len(items)
    end = start + size
    return items[start:end], {"next_cursor": encode_cursor(end) if end < len(items) else ""}


def check_limit(limit: int) -> int:
    """Return the limit, cut to the maximum; raise ``MethodError`` (invalid_limit) if it is negative."""
    if limit < 0:
        raise MethodError("invalid_limit")
    return min(limit, MAX_LIMIT)


def encode_cursor(place: int | str) -> str:
    """Return the opaque form of a place."""
    return urlsafe_b64encode(f"next:{place}".encode()).decode()


def decode_cursor(cursor: str) -> int:
    """Return the place of a cursor made from a number, 0 for none; raise ``MethodError`` (invalid_cursor)."""
    try:
        return int(decode_text_cursor(cursor) or 0)
    except ValueError:
        raise MethodError("invalid_cursor") from None


def decode_text_cursor(cursor: str) -> str | None:
    """Return the place of a cursor made from text, None for none; raise ``MethodError`` (invalid_cursor)."""
    if not cursor:
        return None
    try:
        text = urlsafe_b64decode(cursor).decode()
    except ValueError:
        raise MethodError("invalid_cursor") from None
    if not text.startswith("next:"):
        raise MethodError("invalid_cursor")
    return text.removeprefix("next:")
