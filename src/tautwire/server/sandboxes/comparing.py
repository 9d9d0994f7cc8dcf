"""A comparison of two moments of a workspace: which states or entries it takes, and from where."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

from tautwire.server.log.epochs import read_epochs
from tautwire.server.log.tail import EntriesMissingError, read_page
from tautwire.server.sandboxes.snapshots import open_state
from tautwire.server.services.administration.refusals import Refused
from tautwire.server.services.comparison import states
from tautwire.server.services.comparison.entries import Recorder
from tautwire.server.services.comparison.report import report
from tautwire.server.services.hosting import Compared, End, Ends
from tautwire.server.services.workspace import Workspace
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_direct_channels
from tautwire.server.store.queries.workspace import read_head

FindState = Callable[[str], Path]
"""Returns the file of a snapshot; raises ``NotFound``."""

_NOW: Final = End(snapshot=None, position=None)


async def compare(workspace: Workspace, ends: Ends, find: FindState) -> Compared:
    """Return what changed between two moments.

    Raises:
        Refused: an end is not given as it must be, the log does not reach back so far, or the changes are too many.
        StoreError: a state cannot be read.
    """
    start = _end(ends.from_snapshot, ends.from_position, "from")
    end = _end(ends.to_snapshot, ends.to_position, "to")
    if start == _NOW:
        raise Refused("start_needed", "give from_snapshot or from_position: the moment before the changes")
    way = _from_log if start.position is not None or end.position is not None else _from_states
    head = workspace.tail.position
    async with workspace.long_reads:
        return await workspace.reader.read(lambda query: way(query, workspace, head, start, end, find))


def _end(snapshot: str | None, position: str | None, name: str) -> End:
    if snapshot is not None and position is not None:
        raise Refused("one_end", f"give one of {name}_snapshot and {name}_position, not both")
    return End(snapshot=snapshot, position=position)


def _from_states(now: Query, workspace: Workspace, head: int, start: End, end: End, find: FindState) -> Compared:
    with ExitStack() as stack:

        def open_(name: str) -> Query:
            return stack.enter_context(closing(open_state(find(name))))

        before = open_(start.snapshot or "")
        after = open_(end.snapshot) if end.snapshot is not None else now
        changes = report(states.compare(before, after), after, before)
        return Compared(
            start=End(snapshot=start.snapshot, position=_place(before)),
            end=End(snapshot=end.snapshot, position=_place(after)),
            source="states", changes=changes,
        )  # fmt: skip


def _from_log(now: Query, workspace: Workspace, head: int, start: End, end: End, find: FindState) -> Compared:
    marks = [_position(each, workspace, head, find) for each in (start, end)]
    numbers = [_number(mark, workspace, head) for mark in marks]
    if numbers[0] > numbers[1]:
        raise Refused("wrong_order", f"the end must not be before the start, got {marks[0]} and {marks[1]}")
    recorder = Recorder()
    after, before = numbers[0], numbers[1] + 1
    try:
        while after + 1 < before:
            page = read_page(now, after=after, before=before)
            recorder.add(page)
            after = page[-1].position
    except EntriesMissingError:
        raise Refused(
            "position_too_old",
            f"the log is not kept as far back as {marks[0]} (log_keep): compare snapshots, which stay",
        ) from None
    return Compared(
        start=End(snapshot=start.snapshot, position=marks[0]), end=End(snapshot=end.snapshot, position=marks[1]),
        source="log", changes=report(recorder.changes(find_direct_channels(now)), now),
    )  # fmt: skip


def _position(end: End, workspace: Workspace, head: int, find: FindState) -> str:
    """Return the place of an end in the log."""
    if end.position is not None:
        return end.position
    if end.snapshot is None:
        return workspace.epochs.mark(head)
    with closing(open_state(find(end.snapshot))) as state:
        place = _place(state)
    if place is None:
        raise Refused("no_position", f"the state {end.snapshot!r} is older than the log: compare it with a snapshot")
    return place


def _number(mark: str, workspace: Workspace, head: int) -> int:
    number = workspace.epochs.find(mark, head)
    if number is None:
        raise Refused(
            "unknown_position",
            f"{mark[:60]!r} is no position of this log, or the workspace went back to an earlier state since: take one "
            "with `position`",
        )
    return number


def _place(query: Query) -> str | None:
    """Return the place of a state in the log, None before any server has run on it."""
    try:
        return read_epochs(query).mark(read_head(query))
    except IndexError:  # it has no epoch yet
        return None
