"""What the operations that wait for events and those that show them share: places in the log, pages of it, lines."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tautwire.server.control.operations.conditions import facts_of
from tautwire.server.log.entry import Entry
from tautwire.server.log.tail import MAX_PAGE, MAX_REPLAY, EntriesMissingError, read_page
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries import channels as channel_queries
from tautwire.server.store.queries.users import find_users_by_ids

MAX_TEXT: Final = 500
"""Characters of a text in a line."""


class Line(msgspec.Struct, kw_only=True):
    """An event in short, with names of user and channel; a text is cut at 500 characters."""

    type: str
    subtype: str | None
    channel: str | None
    user: str | None
    text: str | None
    ts: str | None


def start_of(workspace: Workspace, after: str | None) -> int:
    """Return the number of a position; raise ``Refused`` if the log cannot go on from there."""
    if after is None:
        return workspace.tail.position
    number = workspace.epochs.find(after, workspace.tail.position)
    if number is None:
        raise Refused("unknown_position", f"{after[:60]!r} is no position of this log: take one with `position`")
    if workspace.tail.position - number > MAX_REPLAY:
        raise Refused("position_too_old", f"more than {MAX_REPLAY} entries came since: take a newer position")
    return number


async def page_after(workspace: Workspace, after: int) -> list[Entry]:
    """Return entries after a position, from memory or from the store; none if it is the end of the log."""
    tail = workspace.tail
    if after + 1 >= tail.oldest:
        return tail.since(after)[:MAX_PAGE]
    try:
        return await workspace.reader.read(lambda query: read_page(query, after=after, before=tail.position + 1))
    except EntriesMissingError:
        raise Refused("position_too_old", "the log is not kept so far back: take a newer position") from None


def events_of(entries: Iterable[Entry]) -> Iterable[tuple[Entry, dict[str, Any] | None]]:
    """Yield each entry with its event, None if it has no event."""
    for entry in entries:
        yield entry, msgspec.json.decode(entry.payload) if entry.kind == "event" else None


def line_of(event: dict[str, Any]) -> Line:
    """Return what an event says, with ids in place of names."""
    facts = facts_of(event)
    text = facts.text or facts.name
    return Line(
        type=str(event.get("type")),
        subtype=event.get("subtype") if isinstance(event.get("subtype"), str) else None,
        channel=facts.channel,
        user=facts.user,
        text=text[:MAX_TEXT] if text is not None else None,
        ts=facts.ts,
    )


def with_names(query: Query, lines: list[Line]) -> list[Line]:
    """Put names in place of the ids of users and channels; return the same lines."""
    wanted = list({line.user for line in lines if line.user is not None})
    users = find_users_by_ids(query, wanted) if wanted else {}
    places = {line.channel for line in lines if line.channel is not None}
    found = {place: channel_queries.find_channel(query, place) for place in places}
    for line in lines:
        user, channel = users.get(line.user or ""), found.get(line.channel or "")
        line.user = user.name if user is not None else line.user
        line.channel = channel.name or channel.id if channel is not None else line.channel
    return lines
