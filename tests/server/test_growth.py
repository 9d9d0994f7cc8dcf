"""What a page costs may not depend on how much there is beside it: SQLite's own steps and queries are counted."""

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the bench package is not installed

from bench.grown import IN_THREAD, Size, channel, grow, ts, user
from tautwire.server.services.lists import conversations_page, members_page, users_page
from tautwire.server.services.messaging.history import history_page, replies_page
from tautwire.server.services.workspace import Team
from tautwire.server.store.engine import Query, Row
from tautwire.server.store.records import ChannelKind
from tautwire.server.store.sqlite import SqliteEngine, SqliteReadSession

SMALL = Size(messages=500, users=60, channels=40)
LARGE = Size(messages=10_000, users=1_200, channels=400)


class Counted:
    """A workspace to read from; counts what the reading costs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._snapshot = SqliteReadSession(connection)
        self._connection = connection
        self.queries = 0
        self.steps = 0

    def one(self, sql: str, *arguments: object) -> Row | None:
        self.queries += 1
        return self._snapshot.one(sql, *arguments)

    def all(self, sql: str, *arguments: object) -> list[Row]:
        self.queries += 1
        return self._snapshot.all(sql, *arguments)

    def cost(self, read: Callable[[Query], Any]) -> tuple[int, int]:
        """Return the steps of SQLite's machine, and the queries, that a read takes."""
        self.queries = self.steps = 0
        self._connection.set_progress_handler(self._step, 1)
        read(self)
        self._connection.set_progress_handler(None, 0)
        return self.steps, self.queries

    def _step(self) -> int:
        self.steps += 1
        return 0


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Counted]]:
    """A small and a large workspace."""
    directories = [tmp_path_factory.mktemp(name) for name in ("small", "large")]
    for directory, size in zip(directories, (SMALL, LARGE), strict=True):
        grow(directory, size)
    with (
        SqliteEngine(directories[0]) as small,
        SqliteEngine(directories[1]) as large,
        closing(small.connect(read_only=True)) as first,
        closing(large.connect(read_only=True)) as second,
    ):
        yield [Counted(first), Counted(second)]


def history(query: Query, **arguments: Any) -> Any:
    given = {"oldest": None, "latest": None, "inclusive": False, "before": None, "limit": 20}
    return history_page(query, channel(0), **(given | arguments))


def replies(query: Query, **arguments: Any) -> Any:
    given = {"oldest": None, "latest": None, "inclusive": False, "after": None, "limit": 2}
    return replies_page(query, channel(0), ts(0), **(given | arguments))


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda query, size: history(query), id="newest"),
        pytest.param(lambda query, size: history(query, before=ts(60)), id="cursor"),
        pytest.param(lambda query, size: history(query, latest=ts(size.messages), before=ts(60)), id="both"),
        pytest.param(lambda query, size: history(query, latest=ts(60)), id="latest"),
        pytest.param(lambda query, size: history(query, oldest=ts(1), before=ts(60)), id="oldest"),
    ],
)
def test_a_page_of_history_costs_the_same_wherever_it_is(grown: list[Counted], read: Callable[..., Any]) -> None:
    small, large = (
        each.cost(lambda query, size=size: read(query, size)) for each, size in zip(grown, (SMALL, LARGE), strict=True)
    )

    assert large[0] <= small[0] * 2
    assert large[1] == small[1]


def test_a_page_of_a_thread_costs_the_same_wherever_it_is(grown: list[Counted]) -> None:
    _, large = grown
    start, _ = large.cost(lambda query: replies(query, oldest=ts(100)))
    end, _ = large.cost(lambda query: replies(query, oldest=ts(100), after=ts(LARGE.messages - 250)))

    assert end <= start + 100  # each reply passed over takes several


def test_a_thread_is_counted_from_an_index_in_the_order_of_its_users(grown: list[Counted]) -> None:
    _, large = grown
    steps, _ = large.cost(lambda query: replies(query, oldest=ts(LARGE.messages)))

    assert steps <= 24 * LARGE.messages * IN_THREAD


@pytest.mark.parametrize("read", [history, replies])
def test_the_queries_for_a_page_do_not_grow_with_it(grown: list[Counted], read: Callable[..., Any]) -> None:
    _, large = grown
    _, few = large.cost(lambda query: read(query, limit=10))
    _, many = large.cost(lambda query: read(query, limit=90))

    assert many == few <= 6


def users(query: Query, limit: int, after: str = "") -> Any:
    return users_page(query, Team("T1", "Grown", "grown"), shows_email=True, after=after, limit=limit)


def conversations(query: Query, limit: int, after: str = "") -> Any:
    kinds = {ChannelKind.PUBLIC, ChannelKind.PRIVATE}
    return conversations_page(query, kinds, viewer=user(50), archived=False, after=after, limit=limit)


def directs(query: Query, limit: int, after: str = "") -> Any:
    return conversations_page(query, {ChannelKind.IM}, viewer=user(0), archived=True, after=after, limit=limit)


def members(query: Query, limit: int, after: str = "") -> Any:
    return members_page(query, channel(0), after=after, limit=limit)


@pytest.mark.parametrize("read", [users, directs, members])
def test_a_page_of_a_list_costs_the_same_wherever_it_is(grown: list[Counted], read: Callable[..., Any]) -> None:
    small, large = grown
    begin = "D" if read is directs else ""  # behind the channels of the viewer, which come first
    first, queries = small.cost(lambda query: read(query, 20, begin))
    in_large, same = large.cost(lambda query: read(query, 20, begin))
    middle = read(large, 300, begin).last
    deep, _ = large.cost(lambda query: read(query, 20, middle))

    assert max(in_large, deep) <= first * 1.5
    assert queries == same <= 3


def test_a_page_of_channels_costs_what_their_members_cost_to_count(grown: list[Counted]) -> None:
    _, large = grown
    start = conversations(large, 1).last  # channel 0 has everybody
    first, queries = large.cost(lambda query: conversations(query, 20, start))
    deep, same = large.cost(lambda query: conversations(query, 20, conversations(query, 300).last))
    to_there, _ = large.cost(lambda query: conversations(query, 300))

    assert deep - to_there <= first * 1.5
    assert queries == 3
    assert same <= 3 + 2 * 3


def test_all_of_a_list_is_read_in_slices_and_is_whole(grown: list[Counted]) -> None:
    _, large = grown
    for read, count in ((users, LARGE.users), (conversations, LARGE.channels), (directs, LARGE.channels - 1)):
        page = read(large, 0)
        found = json.loads(b"[" + b"".join(page.items.pieces) + b"]")
        assert page.last is None
        assert len(page.items.pieces) > 1
        assert len({each["id"] for each in found}) == len(found) == count
