"""The operation that waits for a message, of any user and through any door: it reads the log."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec

from tautwire.server.control.operation import Result, operation
from tautwire.server.log.entry import Entry
from tautwire.server.log.tail import MAX_PAGE, MAX_REPLAY, EntriesMissingError, read_page
from tautwire.server.services.administration.lookup import find_channel, find_user
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries import channels as channel_queries
from tautwire.server.store.queries.users import find_users_by_ids

MAX_TIMEOUT: Final = 60
"""Seconds of one wait: below what proxies and clients allow a request."""
MAX_TRANSCRIPT: Final = 100
"""Lines of a transcript: the last ones."""
MAX_TEXT: Final = 500
"""Characters of a text in a transcript."""


class Awaited(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the message must fulfil, if it is given: channel and author by id or name, and a text that it contains.

    It is searched among the events behind the position ``after``, by default those from now on. ``timeout`` is in
    seconds.
    """

    channel: str | None = None
    user: str | None = None
    contains: str | None = None
    after: str | None = None
    timeout: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMEOUT)] = 10


class Line(msgspec.Struct, kw_only=True):
    """An event of a transcript, with names of user and channel; a text is cut at 500 characters."""

    type: str
    subtype: str | None
    channel: str | None
    user: str | None
    text: str | None
    ts: str | None


class Waited(msgspec.Struct, kw_only=True):
    """The event of the message, null if it did not come in time, and the position from which a next wait goes on.

    The transcript has the events that came instead, the last hundred of them.
    """

    message: dict[str, Any] | None
    position: str
    transcript: list[Line]


@operation("wait", Awaited, Waited)
async def wait(workspace: Workspace, args: Awaited) -> Result:
    """Wait for a message; answer with it, or with what came instead."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + args.timeout
    # Before anything is awaited: "from now on" is from the arrival of the request.
    position = _start(workspace, args.after)
    channel, user = await workspace.reader.read(lambda query: _names(query, args))
    others: deque[dict[str, Any]] = deque(maxlen=MAX_TRANSCRIPT)
    while True:
        if workspace.news.is_closed:
            raise Refused("server_stopping", "the server stops: wait again after its next start")
        for entry, event in _events(await _page(workspace, position)):
            position = entry.position
            if event is None:
                continue
            if _is_message(event) and _fits(event, channel, user, args.contains):
                return await _answer(workspace, position, event, others)
            others.append(event)
        if position < workspace.tail.position:
            await asyncio.sleep(0)  # a long way to catch up must not be gone in one turn of the loop
            continue
        left = deadline - loop.time()
        if left <= 0:
            return await _answer(workspace, position, None, others)
        await workspace.news.wait(left)


def _start(workspace: Workspace, after: str | None) -> int:
    """Return the number of a position; raise ``Refused`` if the log cannot go on from there."""
    if after is None:
        return workspace.tail.position
    number = workspace.epochs.find(after, workspace.tail.position)
    if number is None:
        raise Refused("unknown_position", f"{after[:60]!r} is no position of this log: take one with `position`")
    if workspace.tail.position - number > MAX_REPLAY:
        raise Refused("position_too_old", f"more than {MAX_REPLAY} entries came since: take a newer position")
    return number


def _names(query: Query, args: Awaited) -> tuple[str | None, str | None]:
    channel = find_channel(query, args.channel).id if args.channel is not None else None
    return channel, find_user(query, args.user).id if args.user is not None else None


async def _page(workspace: Workspace, after: int) -> list[Entry]:
    """Return entries after a position, from memory or from the store; none if it is the end of the log."""
    tail = workspace.tail
    if after + 1 >= tail.oldest:
        return tail.since(after)[:MAX_PAGE]
    try:
        return await workspace.reader.read(lambda query: read_page(query, after=after, before=tail.position + 1))
    except EntriesMissingError:
        raise Refused("position_too_old", "the log is not kept so far back: take a newer position") from None


def _events(entries: Iterable[Entry]) -> Iterable[tuple[Entry, dict[str, Any] | None]]:
    for entry in entries:
        yield entry, msgspec.json.decode(entry.payload) if entry.kind == "event" else None


def _is_message(event: dict[str, Any]) -> bool:
    """Whether it is the event of a new message, not of an edit, a deletion or a reply's parent."""
    return event.get("type") == "message" and not event.get("hidden")


def _fits(event: dict[str, Any], channel: str | None, user: str | None, contains: str | None) -> bool:
    return (
        (channel is None or event.get("channel") == channel)
        and (user is None or event.get("user") == user)
        and (contains is None or contains in event.get("text", ""))
    )


async def _answer(
    workspace: Workspace, position: int, message: dict[str, Any] | None, others: Iterable[dict[str, Any]]
) -> Result:
    lines = [_line(event) for event in others]
    transcript = await workspace.reader.read(lambda query: _with_names(query, lines)) if lines else []
    return {"message": message, "position": workspace.epochs.mark(position), "transcript": transcript}


def _line(event: dict[str, Any]) -> Line:
    inner = event.get("message") or event.get("previous_message") or event
    item = event.get("item") if isinstance(event.get("item"), dict) else {}
    text = _text(inner.get("text")) or _text(event.get("reaction"))
    return Line(
        type=str(event.get("type")),
        subtype=_text(event.get("subtype")),
        channel=_text(event.get("channel")) or _text((item or {}).get("channel")),
        user=_text(event.get("user")) or _text(inner.get("user")),
        text=text[:MAX_TEXT] if text is not None else None,
        ts=_text(inner.get("ts")) or _text((item or {}).get("ts")),
    )


def _text(value: object) -> str | None:
    """Return a text; None for what is not one, as the objects that some events have for user or channel."""
    return value if isinstance(value, str) else None


def _with_names(query: Query, lines: list[Line]) -> list[Line]:
    wanted = list({line.user for line in lines if line.user is not None})
    users = find_users_by_ids(query, wanted) if wanted else {}
    places = {line.channel for line in lines if line.channel is not None}
    found = {place: channel_queries.find_channel(query, place) for place in places}
    for line in lines:
        user, channel = users.get(line.user or ""), found.get(line.channel or "")
        line.user = user.name if user is not None else line.user
        line.channel = channel.name or channel.id if channel is not None else line.channel
    return lines
