"""JSON that is nested too deeply is refused, wherever brackets stand."""

import json

import pytest

from tautwire.server.services import nesting
from tautwire.server.services.nesting import MAX_DEPTH


@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}"), ('[{"\\"]":', "}]")])
def test_the_depth_is_that_of_lists_and_objects(left: str, right: str) -> None:
    levels = MAX_DEPTH // (left.count("[") + left.count("{"))
    inside = '"[{[\\"[\\\\"'
    assert nesting.decode(left * levels + inside + right * levels)
    with pytest.raises(ValueError, match="too deeply"):
        nesting.decode(left * levels + "[1]" + right * levels)


def test_brackets_beside_each_other_or_in_texts_are_not_deep() -> None:
    value = [[], {}] * MAX_DEPTH + ["[" * MAX_DEPTH * 2, '"{[' * MAX_DEPTH, "\\"]
    assert nesting.decode(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000, b"\xff", b'"\xff"']
)
def test_what_cannot_be_decoded_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        nesting.decode(text)
