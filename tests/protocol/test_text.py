"""Escaping, the sequences in a text, and the marking of links."""

import copy
import dataclasses
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.protocol.text import (
    Broadcast,
    ChannelLink,
    Date,
    Link,
    Piece,
    Special,
    Text,
    UsergroupMention,
    UserMention,
    build,
    channel_link,
    date,
    escape,
    link,
    link_urls,
    mention,
    parse,
    unescape,
)

SEQUENCES: list[tuple[str, Piece]] = [
    ("<@U1>", UserMention("U1")),
    ("<@W1|ada>", UserMention("W1", "ada")),
    ("<#C1>", ChannelLink("C1")),
    ("<#C1|general>", ChannelLink("C1", "general")),
    ("<#C1|>", ChannelLink("C1", "")),
    ("<!here>", Broadcast("here")),
    ("<!here|@here>", Broadcast("here", "@here")),
    ("<!channel>", Broadcast("channel")),
    ("<!everyone>", Broadcast("everyone")),
    ("<!group>", Broadcast("group")),
    ("<!subteam^S1|@owls>", UsergroupMention("S1", "@owls")),
    ("<!date^1700000000^{date}|then>", Date("1700000000", "{date}", None, "then")),
    ("<!date^1^{date}^https://x.test|then>", Date("1", "{date}", "https://x.test", "then")),
    ("<!something|label>", Special("something", "label")),
    ("<!date^1|odd>", Special("date^1", "odd")),
    ("<https://x.test>", Link("https://x.test")),
    ("<https://x.test?a=1&amp;b=2|a &amp; b>", Link("https://x.test?a=1&b=2", "a & b")),
    ("<mailto:a@x.test|a@x.test>", Link("mailto:a@x.test", "a@x.test")),
    ("<tel:+431>", Link("tel:+431")),
]

NAME = st.text(st.characters(exclude_characters="|^", exclude_categories=["Cs"]), min_size=1)
ID = st.from_regex(r"[A-Z][A-Z0-9]+", fullmatch=True)
LABEL = st.none() | st.text()
PIECES = st.one_of(
    st.builds(Text, st.text(min_size=1)),
    st.builds(UserMention, ID, LABEL),
    st.builds(ChannelLink, ID, LABEL),
    st.builds(Broadcast, st.sampled_from(["here", "channel", "everyone", "group"]), LABEL),
    st.builds(UsergroupMention, ID, LABEL),
    st.builds(Date, st.integers(0).map(str), NAME, st.none() | NAME, LABEL),
    st.builds(Link, NAME.map("https://".__add__), LABEL),
    st.builds(Special, NAME.map("x-".__add__), LABEL),
)
MARKUP = st.lists(
    st.sampled_from(["<", ">", "|", "@", "#", "!", "^", "&", "&amp;", "&lt;", "http://", "x", " ", ")", "(", "."])
).map("".join)


def joined(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces with neighbouring words made one, as ``parse`` gives them."""
    result: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Text) and result and isinstance(result[-1], Text):
            result[-1] = Text(result[-1].text + piece.text)
        else:
            result.append(piece)
    return result


@given(st.text())
def test_escaped_text_comes_back(text: str) -> None:
    assert unescape(escape(text)) == text


@given(st.text())
def test_escaped_text_has_no_sequence(text: str) -> None:
    assert parse(escape(text)) == ([Text(text)] if text else [])


def test_only_three_characters_are_escaped() -> None:
    assert escape("a < b & \"c\" > 'd'") == "a &lt; b &amp; \"c\" &gt; 'd'"


def test_unescaping_happens_once() -> None:
    assert unescape("&amp;lt; &quot;") == "&lt; &quot;"


@pytest.mark.parametrize(("text", "piece"), SEQUENCES)
def test_sequences(text: str, piece: Piece) -> None:
    assert parse(text) == [piece]
    assert build([piece]) == text


def test_words_stand_between_sequences() -> None:
    assert parse("hi <@U1>, a &lt; b <#C1>") == [
        Text("hi "),
        UserMention("U1"),
        Text(", a < b "),
        ChannelLink("C1"),
    ]


@pytest.mark.parametrize("text", ["<>", "a < b > c <>", "<", ">", "<@U1", "@U1>", "<|label>"])
def test_what_is_no_sequence_is_words(text: str) -> None:
    pieces = parse(text)
    assert all(isinstance(piece, Text | Link) for piece in pieces)
    assert parse(build(pieces)) == pieces


@given(st.lists(PIECES))
def test_pieces_survive_being_built_and_parsed(pieces: list[Piece]) -> None:
    assert parse(build(pieces)) == joined(pieces)


@given(st.one_of(st.text(), MARKUP))
def test_any_text_is_parsed_and_its_pieces_are_stable(text: str) -> None:
    pieces = parse(text)
    assert parse(build(pieces)) == pieces


@pytest.mark.parametrize(
    ("text", "linked"),
    [
        ("see https://x.test", "see <https://x.test>"),
        ("https://x.test/a?b=c#d and http://y.test", "<https://x.test/a?b=c#d> and <http://y.test>"),
        ("HTTPS://x.test", "<HTTPS://x.test>"),
        ("<https://x.test>", "<https://x.test>"),
        ("<https://x.test|https://x.test>", "<https://x.test|https://x.test>"),
        ("really (https://x.test).", "really (<https://x.test>)."),
        ("https://x.test/a_(b)", "<https://x.test/a_(b)>"),
        ("(see https://x.test/a_(b))", "(see <https://x.test/a_(b)>)"),
        ("[https://x.test/a_[b]]]", "[<https://x.test/a_[b]>]]"),
        ("[https://x.test]", "[<https://x.test>]"),
        ("https://x.test/?a=1&amp;b=2!", "<https://x.test/?a=1&amp;b=2>!"),
        ("https://x.test/?a&amp;", "<https://x.test/?a>&amp;"),
        ("https://x.test/?a=1;", "<https://x.test/?a=1>;"),
        ("https://x.test/?a=1;&amp;;", "<https://x.test/?a=1>;&amp;;"),
        ("&lt;https://x.test&gt;", "&lt;<https://x.test>&gt;"),
        ("*https://x.test*", "*<https://x.test>*"),
        ("http://", "http://"),
        ("http://...", "http://..."),
        ("xhttp://x.test", "xhttp://x.test"),
        ("https://x.test|label", "<https://x.test>|label"),
        ("no link", "no link"),
    ],
)
def test_bare_addresses_are_marked(text: str, linked: str) -> None:
    assert link_urls(text) == linked


@given(st.one_of(st.text(), MARKUP))
def test_marking_twice_changes_nothing_more(text: str) -> None:
    assert link_urls(link_urls(text)) == link_urls(text)


@given(MARKUP)
def test_marking_only_adds_brackets(text: str) -> None:
    linked = link_urls(text)
    assert linked.replace("<", "").replace(">", "") == text.replace("<", "").replace(">", "")


@pytest.mark.parametrize("text", ["https://x" + ")" * 50_000, "<" * 50_000, "<@" * 50_000, "https://" * 10_000])
def test_nasty_text_takes_no_long_time(text: str) -> None:
    """A user may send 16 kB of anything; the time must not grow with the square of it."""
    begin = time.process_time()
    link_urls(text)
    parse(text)
    assert time.process_time() - begin < 1.0


def test_mentions_and_links_are_written_by_id() -> None:
    assert mention("U024BE7LH") == "<@U024BE7LH>"
    assert channel_link("C024BE91L") == "<#C024BE91L>"
    assert link("https://x.test/?a=1&b=2") == "<https://x.test/?a=1&amp;b=2>"
    assert link("https://x.test", "a > b") == "<https://x.test|a &gt; b>"
    assert parse(mention("U1")) == [UserMention("U1")]


def test_a_date_is_written_in_seconds_with_its_fallback() -> None:
    noon = datetime(2026, 11, 26, 12, tzinfo=UTC)
    expected = "<!date^1795694400^{date} at {time}|noon>"
    assert date(noon, "{date} at {time}", "noon") == date(1795694400, "{date} at {time}", "noon") == expected
    linked = date(noon, "{date}", "noon", "https://x.test")
    assert linked == "<!date^1795694400^{date}^https://x.test|noon>"


def test_a_date_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="when must have a zone"):
        date(datetime(2026, 11, 26), "{date}", "today")  # noqa: DTZ001 (the fault)


@pytest.mark.parametrize("piece", [piece for _, piece in SEQUENCES] + [Text("x"), Link("https://x.test")])
def test_pieces_are_values(piece: Piece) -> None:
    """They may be keys, and one that is shared cannot be changed."""
    assert len({piece, copy.copy(piece)}) == 1
    for field in dataclasses.fields(piece):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(piece, field.name, "other")
