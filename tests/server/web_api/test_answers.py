"""Answers on their way out: what is encoded already goes in as it is, and megabytes go in pieces."""

import json

import pytest

from tautwire.server.services.arrays import Array
from tautwire.server.web_api.answers import PIECE, encode_answer


def array(*slices: list[object]) -> Array:
    made = Array()
    for elements in slices:
        made.extend([json.dumps(element).encode() for element in elements])
    return made


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"users": array()},
        {"users": array([])},
        {"users": array([1])},
        {"users": array([1, 2], [], [3])},
        {"users": array([], [3]), "cache_ts": 5, "channels": array(), "ims": array(["x"])},
    ],
)
def test_an_array_is_a_member_like_any_other(members: dict[str, object]) -> None:
    pieces = encode_answer({"ok": True, **members})

    assert len(pieces) == 1
    plain = {
        name: json.loads(b"[" + b"".join(value.pieces) + b"]") if isinstance(value, Array) else value
        for name, value in members.items()
    }
    assert json.loads(pieces[0]) == {"ok": True, **plain}


def test_a_long_answer_is_written_in_pieces_none_of_which_is_copied() -> None:
    long = array(*[["x" * PIECE]] * 5)
    pieces = encode_answer({"ok": True, "users": long, "bots": array([1])})

    assert json.loads(b"".join(pieces)) == {"ok": True, "users": ["x" * PIECE] * 5, "bots": [1]}
    assert len(pieces) == 7
    for piece in long.pieces:
        assert any(each is piece for each in pieces)
