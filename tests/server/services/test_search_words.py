"""The words, the dates and the marks of the search, without a server."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.server.services.search.dates import parse_days, ts_of
from tautwire.server.services.search.entries import MAX_TEXT, entry_of
from tautwire.server.services.search.highlights import highlight, unmarked
from tautwire.server.services.search.words import MARK, MAX_WORD, phrase_of, readable, words_of
from tautwire.server.store.queries.search import Phrase

TODAY = date(2026, 8, 6)  # a Thursday


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("2026-08-03", "2026-08-03", "2026-08-04"),
        ("2026-8-3", "2026-08-03", "2026-08-04"),
        ("08/03/2026", "2026-08-03", "2026-08-04"),
        ("2026-12-31", "2026-12-31", "2027-01-01"),
        ("today", "2026-08-06", "2026-08-07"),
        ("Yesterday", "2026-08-05", "2026-08-06"),
        ("week", "2026-08-03", "2026-08-10"),
        ("month", "2026-08-01", "2026-09-01"),
        ("year", "2026-01-01", "2027-01-01"),
        ("august", "2026-08-01", "2026-09-01"),
        ("Aug", "2026-08-01", "2026-09-01"),
        ("september", "2025-09-01", "2025-10-01"),
        ("december", "2025-12-01", "2026-01-01"),
        ("may", "2026-05-01", "2026-06-01"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2025", "2025-01-01", "2026-01-01"),
    ],
)
def test_days(text: str, first: str, end: str) -> None:
    assert parse_days(text, TODAY) == (date.fromisoformat(first), date.fromisoformat(end))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-02-30",
        "2026-13",
        "13/01/2026",
        "0000",
        "9999",
        "9999-12-31",
        "20260803",
        "٢٠٢٦",
        "2026-08-03 ",
    ],
)
def test_what_names_no_days(text: str) -> None:
    assert parse_days(text, TODAY) is None


@pytest.mark.parametrize(
    ("day", "ts"),
    [
        (date(2026, 8, 6), "1785974400.000000"),
        (date(1970, 1, 1), "0000000000.000000"),
        (date(1, 1, 1), "0000000000.000000"),
        (date(9999, 12, 31), "9999999999.000000"),
    ],
)
def test_the_first_timestamp_of_a_day(day: date, ts: str) -> None:
    assert ts_of(day) == ts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("Hello, World!", ["hello", "world"]),
        ("a_b a-b a.b", ["a", "b", "a", "b", "a", "b"]),
        ("É e\u0301 \u0401", ["e", "e", "\u0435"]),
        ("Straße ﬁ \uff12", ["strasse", "fi", "2"]),
        ("東京都", ["東京", "京都", "都"]),
        ("東京tower 2", ["東京", "京", "tower", "2"]),
        ("x" * (MAX_WORD + 1), ["x" * MAX_WORD]),
        ("é" + "x" * (MAX_WORD + 1), ["e" + "x" * (MAX_WORD - 1)]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("", ((), False)),
        ("foo-bar", (("foo", "bar"), False)),
        ("東", (("東",), True)),
        ("東京", (("東京",), False)),
        ("東京都", (("東京", "京都"), False)),
        ("都abc", (("都", "abc"), False)),
        ("abc東", (("abc", "東"), True)),
    ],
)
def test_what_a_query_has_in_place_of_words(text: str, phrase: tuple[tuple[str, ...], bool]) -> None:
    assert phrase_of(text) == phrase


@given(st.text(), st.text(), st.text(min_size=1))
def test_a_text_is_found_by_each_part_between_blanks(before: str, behind: str, part: str) -> None:
    words, goes_on = phrase_of(part)
    entry = f" {' '.join(words_of(f'{before} {part} {behind}'))} "
    assert not words or f" {' '.join(words)}{'' if goes_on else ' '}" in entry


@given(st.text())
def test_words_have_nothing_that_a_pattern_or_an_index_query_reads(text: str) -> None:
    for word in words_of(text):
        assert word
        assert not set(word) & set(" \"'%_*()&|!:<>-^{}+\0" + MARK)
        assert word not in ("AND", "OR", "NOT", "NEAR")
        assert len(word.encode()) < 2_000  # the longest lexeme of PostgreSQL is 2,046 bytes


def test_readable() -> None:
    assert words_of(readable("hi <@U1|ann> <#C2|ops> <https://x.test/a?b=1|here> <!here> a &amp; b &lt;c&gt;")) == [
        "hi", "u1", "ann", "c2", "ops", "x", "test", "a", "b", "1", "here", "here", "a", "b", "c",
    ]  # fmt: skip


def test_an_entry_has_marks_and_is_bounded() -> None:
    entry = entry_of("C1", "1.0", "U2", {"text": "see <https://x.test>", "files": [{"title": "Plan", "name": "p.pdf"}]})
    assert entry is not None
    assert entry.words == "see x test plan p pdf §fu2 §cc1 §link §file"
    long = entry_of("C1", "1.0", "U2", {"text": "東" * (MAX_TEXT + 5)})
    assert long is not None
    assert len(long.words.encode()) < 1_000_000  # PostgreSQL takes a million bytes
    for subtype in ("tombstone", "channel_join"):
        assert entry_of("C1", "1.0", "U2", {"text": "x", "subtype": subtype}) is None


@pytest.mark.parametrize(
    ("text", "phrases", "marked"),
    [
        ("One two", [Phrase(("one",))], "[One] two"),
        ("one two", [Phrase(("one", "two"))], "[one] [two]"),
        ("ones", [Phrase(("one",))], "ones"),
        ("ones", [Phrase(("one",), is_prefix=True)], "[ones]"),
        ("<https://one.test> &lt;lt&gt;", [Phrase(("one",)), Phrase(("lt",))], "<https://one.test> &lt;[lt]&gt;"),
        ("東京都", [Phrase(("京都",))], "東[京都]"),
        ("東京都京", [Phrase(("東京", "京都"))], "[東京都]京"),
        ("a東京", [Phrase(("東",), is_prefix=True)], "a[東]京"),
        ("Café", [Phrase(("cafe",))], "[Café]"),
        ("", [Phrase(("a",))], ""),
    ],
)
def test_highlights(text: str, phrases: list[Phrase], marked: str) -> None:
    assert highlight(text, phrases).replace("\ue000", "[").replace("\ue001", "]") == marked


@given(st.text(), st.lists(st.text(), max_size=4))
def test_highlights_add_nothing_but_marks_in_pairs(text: str, queries: list[str]) -> None:
    phrases = [Phrase(*phrase_of(query)) for query in queries if phrase_of(query)[0]]
    marked = highlight(unmarked(text), phrases)
    assert unmarked(marked) == unmarked(text)
    depth = 0
    for character in marked:
        depth += {"\ue000": 1, "\ue001": -1}.get(character, 0)
        assert depth in (0, 1)
    assert depth == 0
