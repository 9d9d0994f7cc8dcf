"""The JSON of answers, in pieces if they are long."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tautwire.server.services.arrays import Array

PIECE: Final = 65_536
"""Bytes up to which parts of an answer are joined; a longer part stays a piece of its own."""


def encode_answer(answer: Mapping[str, Any]) -> list[bytes]:
    """Return the JSON of an answer in one piece, or several if it is long. ``Array`` members are already encoded."""
    parts = [msgspec.json.encode({name: value for name, value in answer.items() if not isinstance(value, Array)})[:-1]]
    for name, value in answer.items():
        if isinstance(value, Array):
            parts += (b',"%b":[' % name.encode(), *value.pieces, b"]")
    pieces: list[bytes] = []
    small: list[bytes] = []
    size = 0
    for part in (*parts, b"}"):
        if size + len(part) > PIECE and small:
            pieces.append(b"".join(small))
            small, size = [], 0
        small.append(part)
        size += len(part)
    return [*pieces, b"".join(small)]
