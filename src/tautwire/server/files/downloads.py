"""The bytes of a file as a response. What one user uploads must not act with the rights of another who looks at it.

A browser that shows a file gets a policy under which it runs no script, loads nothing and is in no origin, and only
types that cannot do harm are shown at all: others are saved.
Source: wire/files.md#urls-and-downloads (the policy is ours).
"""

from functools import partial
from typing import Final, NamedTuple

from starlette.types import Send

from tautwire.server.files.ranges import Span, UnsatisfiableError, read_range
from tautwire.server.services.files.intake import CHUNK
from tautwire.server.services.files.names import disposition
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.queries.files import FileRecord, find_chunk

POLICY: Final = b"default-src 'none'; sandbox"

_SHOWN: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "audio/mpeg", "audio/ogg", "video/mp4"}
)
"""Types that a browser may show."""


class Request(NamedTuple):
    """What is asked for."""

    has_body: bool
    """Whether the bytes are wanted, or the headers only."""
    range: str | None
    """The header Range."""
    condition: str | None
    """The header If-Range."""
    wants_attachment: bool
    """Whether a browser is to save the file in any case."""


async def respond(send: Send, workspace: Workspace, record: FileRecord, request: Request) -> None:
    """Send a file, or the part that is asked for, a piece of the database at a time."""
    tag = f'"{record.id}"'
    headers = _headers(record, tag, wants_attachment=request.wants_attachment)
    status, span = 200, Span(0, record.size - 1)
    try:
        # A client that resumes names the version it has; there is only one, as long as the file lives.
        wanted = read_range(request.range, record.size) if request.condition in (None, tag) else None
    except UnsatisfiableError:
        headers += [(b"content-range", b"bytes */%d" % record.size), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 416, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return
    if wanted is not None:
        status, span = 206, wanted
        headers.append((b"content-range", b"bytes %d-%d/%d" % (*span, record.size)))
    headers.append((b"content-length", b"%d" % span.size))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    if request.has_body:
        for number in range(span.first // CHUNK, span.last // CHUNK + 1):
            data = await workspace.reader.read(partial(find_chunk, file=record.id, number=number))
            if data is None:  # deleted meanwhile: uvicorn closes a connection whose response is too short
                return
            start = number * CHUNK
            await send(
                {
                    "type": "http.response.body",
                    "body": data[max(0, span.first - start) : span.last + 1 - start],
                    "more_body": True,
                }
            )
    await send({"type": "http.response.body", "body": b""})


def _headers(record: FileRecord, tag: str, *, wants_attachment: bool) -> list[tuple[bytes, bytes]]:
    is_text = record.mimetype.startswith("text/")
    media_type = f"{record.mimetype}; charset=utf-8" if is_text else record.mimetype
    saves = wants_attachment or record.mimetype not in _SHOWN
    return [
        (b"content-type", media_type.encode("latin-1", "replace")),
        (b"content-disposition", disposition(record.name, is_attachment=saves).encode("latin-1")),
        (b"accept-ranges", b"bytes"),
        (b"etag", tag.encode()),
        (b"cache-control", b"private, no-store"),
        (b"content-security-policy", POLICY),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
