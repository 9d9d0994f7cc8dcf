"""Forms are read as the standard library reads them, in a time that does not grow with what is in them."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautwire.server.forms import MAX_LONE, read_form

pieces = st.sampled_from(
    ["a", "=", "&", "%", "+", "%41", "%3d", "%C3%A9", "%ff", "é", "\n", "\r", " ", "\t", "_", "3D"]
)


@given(st.lists(pieces).map("".join))
def test_a_form_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert read_form(text.encode(), 1_000) == dict(parse_qsl(text, keep_blank_values=True))


@pytest.mark.parametrize("data", [b"a=\xff", b"a&b&c", b"a=" + b"%" * (MAX_LONE + 1)])
def test_what_is_not_a_form_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"utf-8|at most"):
        read_form(data, 2)


def test_it_takes_what_it_allows() -> None:
    assert read_form(b"a=%&b=" + b"%zz" * (MAX_LONE - 1), 2) == {"a": "%", "b": "%zz" * (MAX_LONE - 1)}
