"""How the Web API says no, read from slack_sdk's error: status, error string, missing scope, seconds to wait."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

from slack_sdk.errors import SlackApiError

DEFAULT_RETRY_AFTER: Final = 30.0
"""Seconds to wait after a 429 that does not say how long in seconds.
Source: wire/reconnecting.md#a-clients-algorithm (recommended)."""


class Refusal(NamedTuple):
    """How any method of the Web API said no."""

    status: int
    code: str
    """The error string, "" if there is none."""
    needed: str
    """The scope that is missing, where the server names it."""
    retry_after: float | None
    """Seconds to wait if the call came too soon, else None."""


def read_refusal(error: SlackApiError) -> Refusal:
    """Read what slack_sdk makes of a refusal; its text holds the whole answer and is not for logs."""
    response: Any = error.response
    # slack_sdk's own answer has status_code; aiohttp's, which is there when the body was no JSON, has status.
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    data = getattr(response, "data", None)
    answer: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    code = str(answer.get("error") or "")
    is_limited = status == 429 or code in ("ratelimited", "rate_limited")
    return Refusal(status, code, str(answer.get("needed") or ""), _retry_after(response) if is_limited else None)


def _retry_after(response: object) -> float:
    try:
        seconds = float(header(response, "retry-after") or "")
    except ValueError:
        return DEFAULT_RETRY_AFTER
    return seconds if isfinite(seconds) and seconds >= 0 else DEFAULT_RETRY_AFTER


def header(response: object, name: str) -> str | None:
    """Return a header of an answer, None if it is missing."""
    headers: Mapping[str, Any] = getattr(response, "headers", None) or {}
    found = {str(key).lower(): value for key, value in headers.items()}.get(name)
    # slack_sdk's own types for answers allow a list of values for each header.
    value = found[0] if isinstance(found, list) and found else found
    return None if value is None else str(value)
