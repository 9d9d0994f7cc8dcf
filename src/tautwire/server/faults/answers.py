"""What a method answers that is made to fail: written once for the server and the front of ``tautwire.testing``."""

from typing import NamedTuple

import msgspec

from tautwire.server.faults.book import Rule

_JSON = "application/json; charset=utf-8"


class FaultyAnswer(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


def answer_of(rule: Rule) -> FaultyAnswer:
    """Return the answer to a call; not for rules that only delay or drop it."""
    if rule.fault == "rate_limit":
        return FaultyAnswer(
            429, {"Content-Type": _JSON, "Retry-After": str(rule.retry_after)}, b'{"ok":false,"error":"ratelimited"}'
        )
    if rule.fault == "server_error":
        return FaultyAnswer(rule.status, {"Content-Type": "text/plain; charset=utf-8"}, b"upstream trouble")
    if rule.fault == "garbage":
        return FaultyAnswer(200, {"Content-Type": _JSON}, b'{"ok":tru')
    return FaultyAnswer(200, {"Content-Type": _JSON}, msgspec.json.encode({"ok": False, "error": rule.code}))
