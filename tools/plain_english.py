"""Part of ``make check``: words and constructions that make an English reader stop, and what to write instead.

Looks at every line of the package, its tools and its documents. The list is short on purpose: it holds what reviews
found again and again, and only what is wrong nearly everywhere. A line that needs such a word, because it quotes one,
ends with ``plain-english: off`` in a comment.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]

BANNED: Final = (
    (r"\b(?:no|some)body\b", "name the thing: the caller, the client, a user; or 'nothing', 'no client'"),
    (r"\bwhoever\b", "name the thing: the caller, the owner"),
    (r"\bmakes? no sense\b", "say what is wrong with the value"),
    (r"\bis none of\b|\bis none we\b|\bthat (?:is|are) none\b", "'is not a …'"),
    (r"\bLearn (?:that|how|of)\b", "'Called when …'"),
    (r"\b(?:is|are|was|were|be|been) told\b", "'is reported', 'is sent', 'is called with'"),
    (r"\bSee that\b", "'Check that' or 'Make sure that'"),
    (r"\bowes?\b", "'must have', 'is missing'"),
    (r"\bcomes? about\b", "'is made', 'happens'"),
    (r"\bTells? (?:whether|if)\b", "'Return whether …'"),
)
"""Patterns, and what to write instead."""

OFF: Final = "plain-english: off"

PLACES: Final = ("src/**/*.py", "tools/*.py", "docs/**/*.md", "examples/**/*.py", "README.md", "CONTRIBUTING.md")


class Found(NamedTuple):
    """A place that needs another word."""

    path: Path
    line: int
    text: str
    advice: str


def look(path: Path, text: str) -> Iterator[Found]:
    """Yield the lines of a text that hold a banned construction."""
    for number, line in enumerate(text.splitlines(), 1):
        if OFF in line:
            continue
        for pattern, advice in BANNED:
            if match := re.search(pattern, line):
                yield Found(path, number, match[0], advice)


def main() -> None:
    """Print every place; exit with status 1 if there is one."""
    own = Path(__file__).resolve()
    paths = sorted({path for place in PLACES for path in ROOT.glob(place)} - {own})
    found = [each for path in paths for each in look(path, path.read_text(encoding="utf-8"))]
    for each in found:
        print(f"{each.path.relative_to(ROOT)}:{each.line}: {each.text!r}; write {each.advice}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
