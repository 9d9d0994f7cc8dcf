"""Operations that look at a running server: how it is, and what was said last."""

import asyncio
from collections import deque
from typing import Annotated, Any

import msgspec

from tautwire.server.control.operation import MAX_TIMEOUT, Nothing, Result, check_open, operation
from tautwire.server.control.operations.reading import Line, events_of, line_of, page_after, start_of, with_names
from tautwire.server.log.tail import MAX_PAGE, MAX_REPLAY
from tautwire.server.services.administration.lookup import find_channel
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.connected import Connected
from tautwire.server.services.status import Status
from tautwire.server.services.workspace import Workspace


class EventsWanted(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which events of the log.

    Without ``after`` the last ``limit`` among the newest 10,000 entries of the log, else the first ``limit`` behind
    that position, for which the answer waits up to ``timeout`` seconds. With ``all`` every event, also of people alone;
    by default new messages, edits and deletions.
    """

    channel: str | None = None
    all: bool = False
    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 100
    timeout: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMEOUT)] = 0


class EventSeen(msgspec.Struct, kw_only=True):
    """An event, in short with names and as clients get it."""

    line: Line
    event: dict[str, Any]


class EventsRead(msgspec.Struct, kw_only=True):
    """The events, oldest first, and the place from which the next call goes on."""

    events: list[EventSeen]
    position: str


@operation("status", Nothing, Status, reads=True)
async def status(workspace: Workspace, args: Nothing) -> Result:
    """Return how the server is: version, faults, connections, commits, the end of the log."""
    if workspace.status is None:
        raise Refused("not_offered", "this process does not tell its status: read /readyz and /metrics of its port")
    return msgspec.structs.asdict(workspace.status())


@operation("connections", Nothing, Connected, reads=True)
async def connections(workspace: Workspace, args: Nothing) -> Result:
    """Return who is connected and since when, and how far apps are behind with their events."""
    if workspace.connected is None:
        raise Refused("not_offered", "this process does not tell its connections: read /metrics of its port")
    return msgspec.structs.asdict(workspace.connected())


@operation("events", EventsWanted, EventsRead, reads=True)
async def events(workspace: Workspace, args: EventsWanted) -> Result:
    """Return events of the log, the last ones or those behind a position."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + args.timeout
    topic = await _topic(workspace, args.channel)
    is_last = args.after is None
    tail = workspace.tail
    position = max(tail.kept_from - 1, tail.position - MAX_REPLAY) if is_last else start_of(workspace, args.after)
    found: deque[dict[str, Any]] = deque(maxlen=args.limit if is_last else None)
    while True:
        check_open(workspace)
        page = await page_after(workspace, position)
        for entry, event in events_of(each for each in page if topic is None or each.topic == topic):
            if event is not None and (args.all or _is_said(event)):
                found.append(event)
                if not is_last and len(found) == args.limit:
                    return await _answer(workspace, entry.position, found)
        position = page[-1].position if page else position
        if position < tail.position:
            await asyncio.sleep(0)  # a long way must not be gone in one turn of the loop
            continue
        left = deadline - loop.time()
        if found or is_last or left <= 0:
            return await _answer(workspace, position, found)
        await workspace.news.wait(left)


async def _topic(workspace: Workspace, channel: str | None) -> str | None:
    if channel is None:
        return None
    return str((await workspace.reader.read(lambda query: find_channel(query, channel))).id)


def _is_said(event: dict[str, Any]) -> bool:
    """Whether an event is what people see as a message: a new one, an edit or a deletion."""
    is_change = event.get("subtype") in ("message_changed", "message_deleted")
    return event.get("type") == "message" and (is_change or not event.get("hidden"))


async def _answer(workspace: Workspace, position: int, found: deque[dict[str, Any]]) -> Result:
    lines = [line_of(event) for event in found]
    named = await workspace.reader.read(lambda query: with_names(query, lines)) if lines else []
    seen = [EventSeen(line=line, event=event) for line, event in zip(named, found, strict=True)]
    return {"events": seen, "position": workspace.epochs.mark(position)}
