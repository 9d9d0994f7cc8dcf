"""From a position to now, page by page, from disk and from memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from stores import Store, change

from tautwire.server.log import catchup
from tautwire.server.log.catchup import CatchUp, size_since
from tautwire.server.log.entry import WORKSPACE, Entry, Kind, Topic
from tautwire.server.log.tail import Tail
from tautwire.server.store.engine import Engine
from tautwire.server.store.reader import Reader

ME, CHANNEL = "U1", Topic("C1")


class Log:
    """Entries on disk, of which the last ones are in memory."""

    def __init__(self, database: Engine) -> None:
        self.database = database
        self.reader = Reader(self.database)
        self.entries: list[Entry] = []
        self.tail = Tail(0)

    def write(self, entries: Sequence[Entry], *, in_memory: int) -> None:
        self.entries += entries
        sql = "INSERT INTO log (position, kind, topic, payload) VALUES (?, ?, ?, ?)"
        change(self.database, *((sql, (each.position, each.kind, each.topic, each.payload)) for each in entries))
        self.tail = Tail(len(self.entries) - in_memory)
        self.tail.extend(self.entries[len(self.entries) - in_memory :])

    def catch_up(self, position: int, *channels: Topic) -> CatchUp:
        return CatchUp(self.tail, self.reader, user=ME, position=position, channels=channels)

    async def pages(self, position: int, *channels: Topic) -> list[list[int]]:
        """Return the positions of what is seen, by pages."""
        missed = self.catch_up(position, *channels)
        await missed.rewind()
        found = []
        while missed.position < self.tail.position:
            found.append([each.position for each in await missed.page()])
        return found


@pytest.fixture
def log(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.setattr(catchup, "PAGE", 100)
    log = Log(store.open(tmp_path))
    yield log
    log.reader.close()
    log.database.close()


def events(*sizes: int) -> list[Entry]:
    return [Entry(position, "event", WORKSPACE, b"x" * size) for position, size in enumerate(sizes, start=1)]


@pytest.mark.parametrize("in_memory", [0, 3, 8])
async def test_pages_hold_100_bytes_or_one_entry_wherever_they_come_from(log: Log, in_memory: int) -> None:
    log.write(events(50, 50, 1, 300, 40, 60, 1, 1), in_memory=in_memory)
    pages = await log.pages(0)
    assert pages == [[1, 2], [3], [4], [5, 6], [7, 8]] if in_memory != 3 else [[1, 2], [3], [4], [5], [6, 7], [8]]


async def test_entries_that_come_meanwhile_are_taken_from_memory(log: Log) -> None:
    log.write(events(100, 100, 100), in_memory=1)
    missed = log.catch_up(0)
    await missed.rewind()
    assert [each.position for each in await missed.page()] == [1]
    log.tail.extend([Entry(4, "event", WORKSPACE, b"x" * 60)])
    assert [[each.position for each in await missed.page()] for _ in range(4)] == [[2], [3], [4], []]


@pytest.mark.parametrize("position", [0, 2, 3, 4, 6])
@pytest.mark.parametrize("in_memory", [0, 2, 3, 6])
async def test_the_bytes_since_a_position_are_those_on_disk_and_in_memory(
    log: Log, position: int, in_memory: int
) -> None:
    log.write(events(1, 2, 4, 8, 16, 32), in_memory=in_memory)
    assert await size_since(position, log.tail, log.reader) == 63 - (2**position - 1)


@pytest.mark.parametrize("in_memory", [0, 2, 4, 7])
async def test_a_user_sees_their_part_of_a_channel_wherever_its_moves_are(log: Log, in_memory: int) -> None:
    kinds = ["event", "join", "event", "event", "leave", "event", "event"]
    entries = [
        Entry(position, kind, CHANNEL, b"x" * 60 if kind == "event" else ME.encode())  # type: ignore[arg-type]
        for position, kind in enumerate(kinds, start=1)
    ]
    log.write(entries, in_memory=in_memory)
    seen = [position for page in await log.pages(0) for position in page]
    assert seen == [3, 4]


async def test_the_moves_of_others_are_not_ones_own(log: Log) -> None:
    entries = [Entry(1, "leave", CHANNEL, b"U2"), Entry(2, "event", CHANNEL, b"{}"), Entry(3, "join", CHANNEL, b"U2")]
    log.write(entries, in_memory=0)
    assert [position for page in await log.pages(0, CHANNEL) for position in page] == [2]


async def test_what_memory_has_on_one_page_needs_no_disk(log: Log) -> None:
    log.write(events(60, 50, 50), in_memory=2)
    assert log.catch_up(0).everything() is None
    assert log.catch_up(1).everything() == log.entries[1:]
    log.write([Entry(4, "event", WORKSPACE, b"x")], in_memory=3)
    assert log.catch_up(1).everything() is None
    assert log.catch_up(4).everything() == []


@pytest.mark.parametrize(("move", "seen"), [("join", [4]), ("leave", [1, 2])])
@pytest.mark.parametrize("in_memory", [0, 1, 4])
async def test_pages_before_a_move_are_seen_as_it_was_then(
    log: Log, in_memory: int, move: Kind, seen: list[int]
) -> None:
    event = b"x" * 80
    entries = [
        Entry(1, "event", CHANNEL, event),
        Entry(2, "event", CHANNEL, event),
        Entry(3, move, CHANNEL, ME.encode()),
        Entry(4, "event", CHANNEL, event),
    ]
    log.write(entries, in_memory=in_memory)
    now = [CHANNEL] if move == "join" else []
    assert [position for page in await log.pages(0, *now) for position in page] == seen


async def test_a_long_absence_is_measured_in_parts(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app may be away for millions of entries: neither their sizes nor the moves of others are all read at once."""
    monkeypatch.setattr(catchup, "MAX_MEASURED", 3, raising=False)
    read: list[int] = []
    plain = log.reader.read

    async def counted(function: Any) -> Any:
        found = await plain(function)
        read.append(len(found))
        return found

    monkeypatch.setattr(log.reader, "read", counted)
    moves = [Entry(position, "join", CHANNEL, b"U%d" % position) for position in range(9, 20)]
    log.write([*events(*[30] * 8), *moves], in_memory=1)
    pages = await log.pages(0)
    assert [position for page in pages for position in page] == list(range(1, 9))
    assert max(read) == 3
