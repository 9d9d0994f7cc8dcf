"""Every error text that docs/how-to/bots/troubleshooting.md quotes stands in the source."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "bots" / "troubleshooting.md"
FOREIGN = "(Python's own)"
"""Behind a text that is not ours."""


@cache
def templates() -> list[str]:
    """Return every text in the source, with ``…`` for each value that is put in."""
    return [
        re.sub(r"…+", "…", re.sub(r"%(?:\.\d+)?[sdrfg]", "…", text))
        for file in sorted((ROOT / "src").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if (text := template(node)) is not None
    ]


def template(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join((template(part) if isinstance(part, ast.Constant) else None) or "…" for part in node.values)
    return None


def stands_in_source(quote: str) -> bool:
    return any(quote in text for text in templates())


def quotes() -> list[str]:
    rows = [line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [quote for cell in rows if FOREIGN not in cell for quote in re.findall(r"`([^`]+)`", cell)]


def test_the_page_quotes_texts() -> None:
    assert len(quotes()) > 50


@pytest.mark.parametrize("quote", quotes())
def test_a_quoted_text_stands_in_the_source(quote: str) -> None:
    assert stands_in_source(quote)


@pytest.mark.parametrize(
    "quote",
    [
        "no token: give tokens",
        "rtm.connect was accepted: …",
        "a positive number of minutes",
        "got …, must be …",
    ],
)
def test_a_text_that_the_source_has_not_is_found(quote: str) -> None:
    assert not stands_in_source(quote)
