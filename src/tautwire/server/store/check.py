"""The check of a database: can all of it be read, and does it hold together?"""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import msgspec

from tautwire.server.store.engine import Engine, Query, StatementError, StoreError
from tautwire.server.store.migrations import NEWEST
from tautwire.server.store.queries.log import (
    count_early_epochs,
    find_hole,
    find_lost_entry,
    find_lost_reference,
    measure_log,
)
from tautwire.server.store.queries.search import find_stray_entry
from tautwire.server.store.queries.workspace import find_workspace
from tautwire.server.store.tables import pages, tables_of

_NO_WORKSPACE: Final = "there is no workspace in the database: give another --data or --database, or start the server"


class Report(msgspec.Struct):
    """What a check found."""

    database: str
    schema: int = 0
    head: int = 0
    """The position of the newest entry of the log."""
    oldest: int = 0
    """The position of the oldest entry that is kept, 0 if none is."""
    tables: dict[str, int] = msgspec.field(default_factory=dict)
    """The number of rows of each table that can be read."""
    problems: list[str] = msgspec.field(default_factory=list)
    """A sentence each; none if the database is sound."""


def check(engine: Engine) -> Report:
    """Read all of a database, which was opened to read only, and return what was found."""
    report = Report(engine.name)
    try:
        report.schema = engine.schema_version()
        report.problems += engine.examine()
        if not report.schema:
            report.problems.append(_NO_WORKSPACE)
            return report
        if report.schema != NEWEST:
            report.problems.append(
                f"the schema must be {NEWEST}, got {report.schema}: bring it to the present with tautwire db migrate"
            )
            return report
        with closing(engine.read_session()) as session:
            session.begin()
            try:
                for problem in _look(session, report):
                    report.problems.append(problem)
            finally:
                session.end()
    except (StoreError, StatementError) as error:
        report.problems.append(f"the database cannot be read: {error}")
    return report


def _look(query: Query, report: Report) -> Iterator[str]:
    """Fill in the numbers of a report, and yield what is wrong."""
    workspace = find_workspace(query)
    if workspace is None:
        yield _NO_WORKSPACE
        return
    report.head = workspace["head"]
    for table in tables_of(NEWEST):
        report.tables[table.name] = sum(len(page) for page in pages(query, table))
    count, oldest, newest = measure_log(query)
    report.oldest = oldest
    if count and newest != report.head:
        yield f"the log must end at its head {report.head}, got {newest}"
    if count and count != newest - oldest + 1:
        missing = newest - oldest + 1 - count
        yield f"the log lacks {missing} entries between {oldest} and {newest}, the first is {find_hole(query)}"
    if (position := find_lost_reference(query)) is not None:
        yield f"entry {position} of the log refers to a message that is missing"
    if count and (message := find_lost_entry(query, first=oldest)) is not None:
        yield f"message {message['ts']} of {message['channel']} is not in the log at its position"
    if early := count_early_epochs(query):
        yield f"{early} epochs begin beyond the head of the log"
    if (key := find_stray_entry(query)) is not None:
        yield f"message {key.ts} of {key.channel} is deleted, and the search still has its words"
