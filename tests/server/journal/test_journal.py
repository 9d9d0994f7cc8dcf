"""The ring of the journal: its order, its bound in bytes, and what readers are told that come late."""

import asyncio
import json

import pytest

from tautwire.server.clock import Clock
from tautwire.server.journal.entry import MAX_PART, OVERHEAD, Origin
from tautwire.server.journal.filter import Filter, same_value
from tautwire.server.journal.journal import MAX_PAGE, Journal

ORIGIN = Origin("rtm", 7, "A1", "U1")


def journal_of(count: int, limit: int = 10_000_000) -> Journal:
    journal = Journal(Clock(), limit)
    for number in range(1, count + 1):
        journal.note("frame", ORIGIN, {"direction": "out"}, payload=b'{"n":%d}' % number)
    return journal


def test_an_entry_becomes_a_line_with_its_origin() -> None:
    journal = journal_of(1)

    (entry,), dropped = journal.read(0)
    line = json.loads(journal.line(entry).text)

    assert dropped == 0
    assert line["id"] == journal.mark == f"{journal.run}.1"
    assert (line["door"], line["connection"], line["app"], line["user"]) == ORIGIN
    assert (line["kind"], line["direction"], line["payload"]) == ("frame", "out", {"n": 1})
    assert abs(float(line["time"]) - Clock().micros() / 1e6) < 60


def test_a_page_has_the_next_entries_only() -> None:
    journal = journal_of(250)

    pages = []
    after = 0
    while entries := journal.read(after).entries:
        pages.append([entry.number for entry in entries])
        after = entries[-1].number

    assert [len(page) for page in pages] == [MAX_PAGE] * 5
    assert [number for page in pages for number in page] == [*range(1, 251)]
    assert journal.read(9_999).entries == []


def test_the_oldest_go_when_there_is_no_room() -> None:
    journal = journal_of(1_000, limit=20 * (OVERHEAD + 20))

    page = journal.read(10)

    assert journal.size <= 20 * (OVERHEAD + 20)
    assert page.entries[0].number > 900
    assert page.dropped == page.entries[0].number - 11
    assert page.entries[-1].number == journal.last == 1_000


def test_lines_that_are_longer_than_what_came_count_with_their_length() -> None:
    limit = 100 * 1_500
    journal = Journal(Clock(), limit)
    for _ in range(100):
        journal.note("frame", ORIGIN, payload=b"\x01" * 800)  # no JSON: six bytes each as a text of JSON

    after, kept = 0, 0
    while page := journal.read(after).entries:
        for entry in page:
            journal.line(entry)
        after = page[-1].number
        assert journal.size <= limit
    after = 0
    while page := journal.read(after).entries:
        kept += sum(entry.size for entry in page)
        after = page[-1].number

    assert journal.size == kept
    assert 20 < len(journal) < 100


def test_a_long_part_is_cut_and_its_length_is_told() -> None:
    journal = Journal(Clock())
    journal.note("frame", ORIGIN, payload=b'{"text":"%b"}' % (b"x" * 1_000_000))

    line = json.loads(journal.line(journal.read(0).entries[0]).text)

    assert len(line["payload"]) == MAX_PART
    assert line["bytes"] == {"payload": 1_000_011}
    assert journal.size < 2 * MAX_PART


@pytest.mark.parametrize(
    "mark", ["", ".", "x.1", "{run}", "{run}.", "{run}.-1", "{run}.4", "{run}.\N{SUPERSCRIPT TWO}"]
)
def test_what_is_no_id_of_this_run_is_found_nowhere(mark: str) -> None:
    journal = journal_of(3)

    assert journal.find(mark.replace("{run}", journal.run)) is None
    assert journal.find(journal.mark_of(2)) == 2


async def test_a_reader_is_woken_and_the_close_ends_its_wait() -> None:
    journal = journal_of(0)

    waiting = asyncio.create_task(journal.news.wait(30))
    await asyncio.sleep(0)
    journal.note("frame", ORIGIN)
    await waiting
    waiting = asyncio.create_task(journal.news.wait(30))
    await asyncio.sleep(0)
    journal.close()
    await waiting
    await journal.news.wait(30)

    assert journal.news.is_closed


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Filter(), True),
        (Filter(kinds=frozenset({"frame", "call"})), True),
        (Filter(kinds=frozenset({"call"})), False),
        (Filter(connection=7, app="A1", user="U1"), True),
        (Filter(connection=8), False),
        (Filter(app="A2"), False),
        (Filter(user="U2"), False),
        (Filter(method="api.test"), False),
        (Filter(channel="C1"), True),
        (Filter(channel="C2"), False),
    ],
)
def test_a_filter_wants_what_fits(wanted: Filter, fits: bool) -> None:
    journal = Journal(Clock())
    journal.note("frame", ORIGIN, payload=b'{"type":"message","channel":"C1"}')

    assert wanted.wants(journal, journal.read(0).entries[0]) is fits


@pytest.mark.parametrize(
    ("parts", "channel"),
    [
        ({"payload": b'{"payload":{"event":{"channel":"C1"}}}'}, "C1"),
        ({"payload": b'{"event":{"item":{"channel":"C1"}}}'}, "C1"),
        ({"payload": b'{"channel":{"id":"C1"}}'}, "C1"),
        ({"arguments": b'{"channel":"C1"}'}, "C1"),
        ({"payload": b'{"event":[{"channel":"C1"}]}'}, None),
        ({"payload": b"channel"}, None),
    ],
)
def test_the_channel_is_found_wherever_it_stands(parts: dict[str, bytes], channel: str | None) -> None:
    journal = Journal(Clock())
    journal.note("envelope", ORIGIN, **parts)

    assert journal.line(journal.read(0).entries[0]).channel == channel


@pytest.mark.parametrize(
    ("wanted", "sent", "same"),
    [
        ("x", "x", True), (5, "5", True), (True, "1", True), (True, "true", True), (False, "0", True),
        (True, "0", False),
        ([1], "[1]", True), ({"a": 1}, '{"a":1}', True), ([1], "nonsense", False), ([1], [1], True),
        (None, "None", False), (1, True, False),
    ],
)  # fmt: skip
def test_arguments_are_compared_as_forms_send_them(wanted: object, sent: object, same: bool) -> None:
    assert same_value(wanted, sent) is same
