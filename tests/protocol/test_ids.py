"""Ids tell what they name; timestamps sort as text and grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.protocol.ids import (
    NEVER,
    IdKind,
    Ts,
    is_channel_id,
    is_ts,
    is_user_id,
    kind_of,
    micros,
    next_ts,
    ts_from_micros,
    ts_to_micros,
)

MICROS = st.integers(min_value=0, max_value=10**16 - 1)


@given(MICROS)
def test_micros_survive_the_timestamp(micros: int) -> None:
    assert ts_to_micros(ts_from_micros(micros)) == micros


@given(MICROS)
def test_what_is_written_is_a_timestamp(micros: int) -> None:
    assert is_ts(ts_from_micros(micros))


@given(MICROS, MICROS)
def test_text_order_is_time_order(one: int, other: int) -> None:
    assert (ts_from_micros(one) < ts_from_micros(other)) == (one < other)


@given(st.integers(min_value=0, max_value=10**15), st.lists(st.integers(-(10**9), 10**9), max_size=20))
def test_timestamps_grow_whatever_the_clock_does(start: int, steps: list[int]) -> None:
    """The clock may stand still or run backwards; no timestamp is given twice."""
    clock, last = start, None
    for step in steps:
        clock = max(0, clock + step)
        new = next_ts(clock, last)
        assert last is None or new > last
        assert ts_to_micros(new) >= clock
        last = new


def test_the_clock_is_taken_where_it_is_ahead() -> None:
    assert next_ts(1_700_000_010_000_100, None) == "1700000010.000100"
    assert next_ts(1_700_000_010_000_100, Ts("1700000010.000099")) == "1700000010.000100"
    assert next_ts(1_700_000_010_000_100, Ts("1700000010.000100")) == "1700000010.000101"
    assert next_ts(0, Ts("1700000010.999999")) == "1700000011.000000"


@pytest.mark.parametrize("micros", [-1, 10**16])
def test_what_ten_digits_cannot_hold_is_refused(micros: int) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        ts_from_micros(micros)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1700000010", "1700000010.00010", "1700000010.0001000", " 1700000010.000100", "1700000010.00010\n"],
)
def test_other_texts_are_no_timestamps(text: str) -> None:
    assert not is_ts(text)
    with pytest.raises(ValueError, match="not a timestamp"):
        ts_to_micros(Ts(text))


def test_digits_of_other_scripts_are_no_timestamp() -> None:
    assert not is_ts("1700000010.000100".replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"))


@given(MICROS)
def test_nothing_sorts_before_never(micros: int) -> None:
    assert ts_from_micros(micros) >= NEVER


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("U0EX00001", IdKind.USER),
        ("W0EX00001", IdKind.USER),
        ("USLACKBOT", IdKind.USER),
        ("B01", IdKind.BOT),
        ("C0EX00001", IdKind.CHANNEL),
        ("G0EX00001", IdKind.GROUP),
        ("D0EX00001", IdKind.DIRECT),
        ("T0EX00001", IdKind.TEAM),
        ("E0EX00001", IdKind.ENTERPRISE),
        ("F0EX00001", IdKind.FILE),
        ("Fc0EX0001", IdKind.FILE_COMMENT),
        ("R0EX00001", IdKind.ROOM),
        ("Rm0EX0001", IdKind.REMINDER),
        ("Z0EX00001", None),
        ("C", None),
        ("c0ex00001", None),
        ("C0EX-0001", None),
        ("general", None),
        ("#general", None),
        ("", None),
    ],
)
def test_kind_of_an_id(text: str, kind: IdKind | None) -> None:
    assert kind_of(text) is kind


def test_predicates() -> None:
    assert is_user_id("W0EX00001")
    assert not is_user_id("C0EX00001")
    assert all(is_channel_id(text) for text in ("C1", "G1", "D1"))
    assert not is_channel_id("U1")


@pytest.mark.parametrize(
    ("ts", "expected"),
    [("1700000000.000100", 1_700_000_000_000_100), ("soon", None), ("", None), (None, None), (1.5, None)],
)
def test_a_timestamp_counts_microseconds_and_anything_else_counts_nothing(ts: object, expected: int | None) -> None:
    assert micros(ts) == expected
