"""Long texts in pieces: nothing is lost, nothing is taken apart that belongs together."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire import split

WORDS = st.lists(
    st.one_of(
        st.text("abc", min_size=1, max_size=12),
        st.sampled_from(["<@U024BE7LH>", "&amp;", "&lt;", "<https://x.test|a b>", " ", "\n", "\n\n", "é", "<", "&"]),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("short", 10, ["short"]),
        ("", 10, []),
        (" \n ", 10, []),
        ("a b c a b c a b c", 5, ["a b c", "a b c", "a b c"]),
        ("x" * 12, 5, ["xxxxx", "xxxxx", "xx"]),
        ("one\n\ntwo three", 11, ["one\n\ntwo", "three"]),
        ("one two\n\nthree four", 14, ["one two", "three four"]),
        ("one two\nthree four", 14, ["one two", "three four"]),
        ("a\n\nb c d e f g", 9, ["a\n\nb c d", "e f g"]),  # the empty line is in the first half
        ("ab &amp; cd", 7, ["ab", "&amp;", "cd"]),
        ("hello <https://x.test|a b c> you", 24, ["hello", "<https://x.test|a b c>", "you"]),
    ],
)
def test_texts_are_split_at_the_best_place(text: str, limit: int, pieces: list[str]) -> None:
    assert split(text, limit) == pieces


def test_a_text_that_fits_into_one_message_is_one_piece() -> None:
    assert split("x " * 1_999 + "xy") == ["x " * 1_999 + "xy"]
    assert [len(each) for each in split("x" * 4_001)] == [4_000, 1]


@pytest.mark.parametrize(("text", "limit"), [("<@U024BE7LH>", 5), ("&amp;", 4), ("x", 0), ("x", -1)])
def test_what_cannot_be_split_is_an_error(text: str, limit: int) -> None:
    with pytest.raises(ValueError, match=r"limit must be|does not fit into"):
        split(text, limit)


@given(WORDS, st.integers(25, 60))
def test_pieces_fit_and_together_are_the_text(words: list[str], limit: int) -> None:
    text = "".join(words)
    pieces = split(text, limit)
    assert all(0 < len(each) <= limit for each in pieces)
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)


@given(WORDS, st.integers(25, 60))
def test_no_sequence_and_no_entity_is_taken_apart(words: list[str], limit: int) -> None:
    text = "".join(words)
    wanted = re.findall(r"<[^<>]*>|&(?:amp|lt|gt);", text)
    found = [each for piece in split(text, limit) for each in re.findall(r"<[^<>]*>|&(?:amp|lt|gt);", piece)]
    assert found == wanted
