"""The two streams of the journal: ``watch``, live as server-sent events, and ``journal``, what is kept as JSON lines.

A watcher has no queue: it reads the ring. A watcher that is slow, or does not read, finds later that entries are gone,
and gets their number in an event ``dropped``. So watchers never delay what they watch, and take no memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Send

from tautwire.server.control.operation import controls_of
from tautwire.server.journal.entry import KINDS, Entry
from tautwire.server.journal.filter import Filter
from tautwire.server.journal.journal import Journal
from tautwire.server.services.administration.lookup import find_app, find_channel, find_user
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query

MAX_WATCHERS: Final = 32
"""Watchers of one workspace at a time; a further one is refused."""
BEAT: Final = 15.0
"""Seconds of silence after which a watcher gets a comment, so that proxies keep its connection."""
PARAMETERS: Final = {
    "kind": f"One or more of {', '.join(KINDS)}, with commas between them.",
    "connection": "The number of a connection.",
    "app": "An app, by id or name.",
    "user": "A user, by id or name.",
    "method": "A method of the Web API, or an operation of this API.",
    "channel": "A channel, by id or name.",
    "after": "The id of an entry: those behind it. `watch` begins with new ones without it, `journal` with the oldest.",
}
MAX_NUMBER: Final = 9
"""Digits of the number of a connection."""


Stream = Callable[[Receive, Send], Awaitable[None]]


async def prepare(workspace: Workspace, name: str, request: Request) -> Stream:
    """Return what sends a stream; everything that may be refused is checked here.

    Raises:
        Refused: the control API is off here, a parameter is wrong, or there are too many watchers.
    """
    journal = controls_of(workspace).journal
    given = _parameters(request)
    wanted = await workspace.reader.read(lambda query: _filter(query, given))
    live = name == "watch"
    after = _start(journal, given.get("after") or (live and request.headers.get("last-event-id")) or None, live=live)

    if live and journal.watchers >= MAX_WATCHERS:
        raise Refused("too_many_watchers", f"{MAX_WATCHERS} programs watch already: end one of them first")

    async def stream(receive: Receive, send: Send) -> None:
        if not live:
            await _send_kept(journal, wanted, after, send)
            return
        journal.watchers += 1
        try:
            await _send_live(journal, wanted, after, receive, send)
        finally:
            journal.watchers -= 1

    return stream


def _parameters(request: Request) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True):
        if name not in PARAMETERS:
            raise Refused("invalid_filter", f"{name[:40]!r} is no filter: there are {', '.join(PARAMETERS)}")
        if not value:
            raise Refused("invalid_filter", f"the filter {name!r} is empty: give a value, or leave it out")
        given[name] = value
    return given


def _filter(query: Query, given: Mapping[str, str]) -> Filter:
    kinds = frozenset(given["kind"].split(",")) if "kind" in given else frozenset[str]()
    unknown = sorted(kinds - {*KINDS})
    if unknown:
        raise Refused("invalid_filter", f"{unknown[0][:40]!r} is no kind of entry: there are {', '.join(KINDS)}")
    number = given.get("connection")
    if number is not None and not (number.isascii() and number.isdecimal() and len(number) <= MAX_NUMBER):
        raise Refused("invalid_filter", f"connection must be the number of a connection, got {number[:40]!r}")
    return Filter(
        kinds=kinds,
        connection=int(number) if number is not None else None,
        app=find_app(query, given["app"]).id if "app" in given else None,
        user=str(find_user(query, given["user"]).id) if "user" in given else None,
        method=given.get("method"),
        channel=str(find_channel(query, given["channel"]).id) if "channel" in given else None,
    )


def _start(journal: Journal, mark: str | None, *, live: bool) -> int:
    if mark is None:
        return journal.last if live else 0
    number = journal.find(mark)
    # An id of another run of the server: everything that is kept is new to this watcher.
    if number is None and live:
        return 0
    if number is None:
        raise Refused(
            "unknown_entry", f"{mark[:40]!r} is no id of this journal: leave `after` out, or take a newer one"
        )
    return number


async def _send_kept(journal: Journal, wanted: Filter, after: int, send: Send) -> None:
    """Send what is kept now, page by page."""
    await send(_head(b"application/jsonl"))
    end = journal.last
    while after < end:
        page = journal.read(after)
        if not page.entries:
            break
        # What is older than the ring was dropped before the request, unless the ring moved meanwhile.
        lines = [msgspec.json.encode({"kind": "dropped", "count": page.dropped})] if page.dropped and after else []
        lines += [
            journal.line(each).text for each in page.entries if each.number <= end and wanted.wants(journal, each)
        ]
        after = page.entries[-1].number
        if lines:
            await send({"type": "http.response.body", "body": b"\n".join(lines) + b"\n", "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b""})


async def _send_live(journal: Journal, wanted: Filter, after: int, receive: Receive, send: Send) -> None:
    """Send entries as they come, until the watcher goes or the server stops."""
    gone = asyncio.create_task(_until_gone(receive))
    try:
        await send(_head(b"text/event-stream"))
        await send(_piece(b": watching\n\n"))
        while not gone.done() and not journal.news.is_closed:
            page = journal.read(after)
            if not page.entries:
                news = asyncio.create_task(journal.news.wait(BEAT))
                await asyncio.wait((gone, news), return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if journal.last == after:
                    await send(_piece(b": beat\n\n"))
                continue
            events = [_dropped(page.dropped)] if page.dropped else []
            events += [_event(journal, entry) for entry in page.entries if wanted.wants(journal, entry)]
            after = page.entries[-1].number
            if events:
                await send(_piece(b"".join(events)))
            await asyncio.sleep(0)  # a long way to catch up must not be gone in one turn of the loop
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(journal: Journal, entry: Entry) -> bytes:
    return b"id: %b.%d\nevent: %b\ndata: %b\n\n" % (
        journal.run.encode(), entry.number, entry.kind.encode(), journal.line(entry).text
    )  # fmt: skip


def _dropped(count: int) -> bytes:
    return b'event: dropped\ndata: {"count":%d}\n\n' % count


def _head(kind: bytes) -> MutableMapping[str, Any]:
    headers = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _piece(data: bytes) -> MutableMapping[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": True}
