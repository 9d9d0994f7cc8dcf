"""Limits and opaque cursors of lists that come in pages. Source: wire/web-api.md#pages.

A cursor contains the key of the last element of a page (an id or a ``ts``). So an element added or removed between two
pages neither repeats nor skips another one.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Final

from tautwire.server.services.arrays import Page
from tautwire.server.services.errors import MethodError

MAX_LIMIT: Final = 1_000
PAGE_ERRORS: Final = ("invalid_cursor", "invalid_limit")
"""The errors of every list that comes in pages."""


def check_limit(limit: int) -> int:
    """Return the limit, cut to the maximum; raise ``MethodError`` (invalid_limit) if it is negative."""
    if limit < 0:
        raise MethodError("invalid_limit")
    return min(limit, MAX_LIMIT)


def page_metadata(page: Page) -> dict[str, Any]:
    """Return the ``response_metadata`` of a page."""
    return {"next_cursor": "" if page.last is None else encode_cursor(page.last)}


def encode_cursor(key: str) -> str:
    """Return the cursor of the page behind a key."""
    return urlsafe_b64encode(f"next:{key}".encode()).decode()


def decode_cursor(cursor: str, is_key: Callable[[str], bool]) -> str | None:
    """Return the key in a cursor, None if there is no cursor.

    Raises:
        MethodError: invalid_cursor, if ``encode_cursor`` did not make it, or from a key of another kind.
    """
    if not cursor:
        return None
    try:
        key = urlsafe_b64decode(cursor).decode().removeprefix("next:")
    except ValueError:
        raise MethodError("invalid_cursor") from None
    if not is_key(key) or encode_cursor(key) != cursor:
        raise MethodError("invalid_cursor")
    return key
