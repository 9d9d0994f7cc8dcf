"""The reply to a call over HTTP: status, headers and body. Pure; ``answers`` encodes the body."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tautwire.server.web_api.fallback import Stream
from tautwire.server.web_api.spoiling import Spoiled, Trace


class Reply(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: list[bytes]
    """In several pieces if it is long."""
    stream: Stream | None = None
    """The body, if it is passed on as it comes."""


@dataclass(slots=True)
class Draft:
    """The parts of a reply that are known before its body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    trace: Trace = field(default_factory=Trace)


def warn(answer: dict[str, Any], warnings: list[str]) -> None:
    """Add warnings to those that an answer has."""
    if warnings:
        answer["warning"] = ",".join([*filter(None, [answer.get("warning")]), *warnings])
        metadata = dict(answer.get("response_metadata", {}))
        metadata["warnings"] = [*metadata.get("warnings", []), *warnings]
        answer["response_metadata"] = metadata


def spoiled(fault: Spoiled) -> Reply:
    """Return the answer that a fault wants."""
    status, headers, body = fault.answer
    given = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Reply(status, [*given, (b"content-length", str(len(body)).encode())], [body])


def finished(draft: Draft, body: list[bytes]) -> Reply:
    """Return the reply with its body, the JSON of an answer in pieces."""
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(sum(map(len, body))).encode()),
        (b"cache-control", b"private, no-cache, no-store, must-revalidate"),
        *((name.lower().encode(), value.encode()) for name, value in draft.headers.items()),
    ]
    return Reply(draft.status, headers, body)


def streamed(draft: Draft, stream: Stream) -> Reply:
    """Return the reply whose body comes from elsewhere."""
    reply = finished(draft, [])
    headers = [(name, value) for name, value in reply.headers if name != b"content-length"]
    return reply._replace(headers=headers, stream=stream)
