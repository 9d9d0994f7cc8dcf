"""The operation that waits: for what is in the log, of any user and through any door, or for what is in the journal."""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

import msgspec

from tautwire.server.control.operation import MAX_TIMEOUT, Result, check_open, controls_of, operation
from tautwire.server.control.operations.acts import actor, mark
from tautwire.server.control.operations.conditions import WantedEntry, WantedEvent
from tautwire.server.control.operations.reading import Line, events_of, line_of, page_after, start_of, with_names
from tautwire.server.control.operations.views import find_changed
from tautwire.server.journal.entry import KINDS
from tautwire.server.journal.filter import Filter
from tautwire.server.services.administration.lookup import find_app, find_channel, find_user
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query

MAX_TRANSCRIPT: Final = 100
"""Lines of a transcript: the last ones."""
_OF_EVENTS: Final = ("thread", "name", "type")
_OF_ENTRIES: Final = ("app", "method", "arguments", "payload", "direction", "state", "status")
"""Conditions that only one of both, events of the log and entries of the journal, can fulfil."""
_OF_VIEWS: Final = ("user", "app", "name")
"""The conditions that a view can fulfil."""


class Awaited(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is waited for, and what it must fulfil, if that is given.

    The first kinds are in the log, ``event`` for the type ``type``; ``call`` and those behind it are in the journal.
    Channel, user (the author) and app are given by id or name. ``contains`` and ``equals`` are about the text,
    ``thread`` about the ts of its thread, ``name`` about a reaction. A ``view`` is one that ``user`` sees, opened or
    changed meanwhile; ``app`` and ``name``, its ``callback_id``, choose it. Of a call ``arguments``, of other entries
    of the journal ``payload`` has members that must be equal. It is searched behind the position ``after`` or the entry
    ``after_entry``, by default from now on. ``timeout`` is in seconds.
    """

    kind: Literal[
        "message", "edit", "deletion", "reaction", "unreaction", "file", "join", "leave", "event", "view",
        "call", "frame", "envelope", "ack", "connection", "delivery", "control",
    ] = "message"  # fmt: skip
    channel: str | None = None
    user: str | None = None
    contains: str | None = None
    equals: str | None = None
    thread: str | None = None
    name: str | None = None
    type: str | None = None
    app: str | None = None
    method: str | None = None
    arguments: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None
    direction: Literal["in", "out"] | None = None
    state: Literal["connected", "disconnected"] | None = None
    status: int | None = None
    after: str | None = None
    after_entry: str | None = None
    timeout: Annotated[float, msgspec.Meta(ge=0, le=MAX_TIMEOUT)] = 10


class Waited(msgspec.Struct, kw_only=True):
    """The event, the entry or the view, all null if it did not come in time, and from where a next wait goes on.

    The transcript has the events that came instead, the last hundred of them, and ``entries`` those of the journal.
    After a wait for an event, ``journal`` is the place at which the wait began; null if the control API is off.
    """

    message: dict[str, Any] | None
    entry: dict[str, Any] | None
    view: dict[str, Any] | None
    position: str
    journal: str | None
    transcript: list[Line]
    entries: list[dict[str, Any]]


@operation("wait", Awaited, Waited, reads=True)
async def wait(workspace: Workspace, args: Awaited) -> Result:
    """Wait for a message or something else; answer with it, or with what came instead."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + args.timeout
    # Before anything is awaited: "from now on" is from the arrival of the request.
    position, journal = start_of(workspace, args.after), mark(workspace)["journal"]
    _check_conditions(args)
    if args.kind in KINDS:
        return await _wait_for_entry(workspace, args, position, deadline)
    if args.type is None and args.kind == "event":
        raise Refused("invalid_arguments", "type must say which event is waited for, such as channel_created")
    if args.kind == "view":
        return await _wait_for_view(workspace, args, position, journal, deadline)
    wanted = await workspace.reader.read(lambda query: _wanted(query, args))
    others: deque[dict[str, Any]] = deque(maxlen=MAX_TRANSCRIPT)
    while True:
        check_open(workspace)
        for entry, event in events_of(await page_after(workspace, position)):
            position = entry.position
            if event is None:
                continue
            if wanted.fits(event):
                return await _answer(workspace, position, others, message=event, journal=journal)
            others.append(event)
        if position < workspace.tail.position:
            await asyncio.sleep(0)  # a long way to catch up must not be gone in one turn of the loop
            continue
        left = deadline - loop.time()
        if left <= 0:
            return await _answer(workspace, position, others, journal=journal)
        await workspace.news.wait(left)


async def _wait_for_view(
    workspace: Workspace, args: Awaited, position: int, journal: str | None, deadline: float
) -> Result:
    """Wait for a view that a user sees: the log has an entry for the stack of each that opens or changes."""
    if args.user is None:
        raise Refused("invalid_arguments", "user must say whose view is waited for")
    start, user = position, args.user
    who, app = await workspace.reader.read(lambda query: (
        actor(query, user), find_app(query, args.app) if args.app is not None else None
    ))  # fmt: skip
    while True:
        check_open(workspace)
        page = await page_after(workspace, position)
        roots = {str(entry.topic) for entry in page if entry.kind == "room"}
        position = page[-1].position if page else position
        view = await find_changed(workspace, who, app, args.name, roots) if roots else None
        if view is not None:
            return await _answer(workspace, position, (), view=view, journal=journal)
        if position < workspace.tail.position:
            await asyncio.sleep(0)
            continue
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return await _answer(workspace, position, await _since(workspace, start), journal=journal)
        await workspace.news.wait(left)


async def _wait_for_entry(workspace: Workspace, args: Awaited, position: int, deadline: float) -> Result:
    """Wait for an entry of the journal."""
    journal = controls_of(workspace).journal
    number = journal.last if args.after_entry is None else journal.find(args.after_entry)
    if number is None:
        raise Refused("unknown_entry", f"{args.after_entry!r:.60} is no id of this journal: take one with `position`")
    wanted = await workspace.reader.read(lambda query: _wanted_entry(query, args))
    instead: deque[dict[str, Any]] = deque(maxlen=MAX_TRANSCRIPT)
    while True:
        check_open(workspace)
        page = journal.read(number)
        for entry in page.entries:
            number = entry.number
            if not wanted.filter.wants(journal, entry) and entry.kind != args.kind:
                continue
            line = msgspec.json.decode(journal.line(entry).text)
            if wanted.filter.wants(journal, entry) and wanted.fits(line):
                return await _answer(workspace, position, (), entry=line, journal=journal.mark_of(number))
            instead.append(line)
        if page.entries:
            await asyncio.sleep(0)
            continue
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            others = await _since(workspace, position)
            return await _answer(workspace, position, others, entries=instead, journal=journal.mark_of(number))
        await journal.news.wait(left)


async def _since(workspace: Workspace, position: int) -> Iterable[dict[str, Any]]:
    """Return the last events behind a position."""
    found: deque[dict[str, Any]] = deque(maxlen=MAX_TRANSCRIPT)
    end = workspace.tail.position
    while position < end:
        for entry, event in events_of(await page_after(workspace, position)):
            position = entry.position
            if event is not None:
                found.append(event)
        await asyncio.sleep(0)
    return found


def _check_conditions(args: Awaited) -> None:
    """Raise ``Refused`` for a condition that says nothing of what is awaited: it would fit by accident."""
    if args.kind == "view":
        conditions = (*_OF_EVENTS, *_OF_ENTRIES, "channel", "contains", "equals", "after_entry")
        foreign: Iterable[str] = [each for each in conditions if each not in _OF_VIEWS]
    else:
        foreign = _OF_EVENTS if args.kind in KINDS else _OF_ENTRIES
    name = next((name for name in foreign if getattr(args, name) is not None), None)
    if name is not None:
        raise Refused("invalid_arguments", f"{args.kind} has no {name}: leave it out, or wait for another kind")
    if args.type is not None and args.kind != "event":
        raise Refused("invalid_arguments", f"type belongs to the kind event, got kind {args.kind}: leave it out")


def _wanted(query: Query, args: Awaited) -> WantedEvent:
    return WantedEvent(
        kind=args.kind,
        type=args.type,
        channel=str(find_channel(query, args.channel).id) if args.channel is not None else None,
        user=str(find_user(query, args.user).id) if args.user is not None else None,
        contains=args.contains,
        equals=args.equals,
        thread=args.thread,
        name=args.name.strip(":") if args.name is not None else None,
    )


def _wanted_entry(query: Query, args: Awaited) -> WantedEntry:
    return WantedEntry(
        filter=Filter(
            kinds=frozenset({args.kind}),
            app=find_app(query, args.app).id if args.app is not None else None,
            user=str(find_user(query, args.user).id) if args.user is not None else None,
            method=args.method,
            channel=str(find_channel(query, args.channel).id) if args.channel is not None else None,
        ),
        contains=args.contains,
        equals=args.equals,
        arguments=args.arguments or {},
        payload=args.payload or {},
        direction=args.direction,
        state=args.state,
        status=args.status,
    )


async def _answer(
    workspace: Workspace,
    position: int,
    others: Iterable[dict[str, Any]],
    *,
    message: dict[str, Any] | None = None,
    entry: dict[str, Any] | None = None,
    view: dict[str, Any] | None = None,
    entries: Iterable[dict[str, Any]] = (),
    journal: str | None,
) -> Result:
    lines = [line_of(event) for event in others]
    transcript = await workspace.reader.read(lambda query: with_names(query, lines)) if lines else []
    return {
        "message": message,
        "entry": entry,
        "view": view,
        "position": workspace.epochs.mark(position),
        "journal": journal,
        "transcript": transcript,
        "entries": [*entries],
    }
