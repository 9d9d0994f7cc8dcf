"""Removes secrets from what a journal shows: wherever a token stands, and the whole value of members that are secret.

JSON is decoded first: a client may write any character of a token as an escape.
"""

import re
from typing import Any, Final

import msgspec

from tautwire.protocol.tokens import redact

MASK: Final = "…"
MAX_DEPTH: Final = 32
"""Levels of lists and objects that are shown."""

_SECRET: Final = re.compile(
    r"(?:token|ticket|secret|password|signature|cookie|authorization|response_url|upload_url|trigger_id)\Z",
    re.IGNORECASE,
)
"""The names of members that are secret."""

_VALUE: Final = re.compile(
    r"(/hooks\\?/[\w-]+\\?/\w+\\?/\w+\\?/|/files-upload\\?/\w+-\w+-)[\w-]+"
    r"|\b[0-9]{12}\.[0-9a-f]{64}\b|\b[0-9]{13}\.[0-9]+\.[0-9a-f]{32}\b",
    re.ASCII,
)
"""Secrets of this server by their form: response URLs and webhooks, upload URLs, codes of OAuth, trigger ids.

They stand in texts too, and in what was cut, which is no JSON."""


def masked(data: bytes) -> Any:
    """Return what is decoded from JSON, or the text of anything else, without secrets."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _bare(data.decode(errors="replace"))
    return clean(value)


def clean(value: Any, depth: int = 0) -> Any:
    """Return a copy of a JSON value without secrets."""
    if isinstance(value, str):
        return _bare(value)
    if depth == MAX_DEPTH:
        return MASK
    if isinstance(value, dict):
        return {
            _bare(name): MASK if _SECRET.search(name) and each else clean(each, depth + 1)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [clean(each, depth + 1) for each in value]
    return value


def _bare(text: str) -> str:
    return _VALUE.sub(lambda match: (match[1] or "") + MASK, redact(text))
