"""The marks around the words that were searched for. Source: wire/search.md#highlights (documented)."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from tautwire.server.services.search.words import fold
from tautwire.server.store.queries.search import Phrase

BEGIN: Final = "\ue000"
END: Final = "\ue001"

_MARKS: Final = re.compile(f"[{BEGIN}{END}]")
_PIECE: Final = re.compile(r"<[^<>]*>|&(?:amp|lt|gt);|([^\W_]+)")


def unmarked(text: str) -> str:
    """Return a text without marks: a message could have them to look like a match."""
    return _MARKS.sub("", text)


def highlight(text: str, phrases: Sequence[Phrase]) -> str:
    """Return an unmarked text with marks around the words of the phrases. What stands in ``<…>`` stays as it is."""
    whole = {word for phrase in phrases for word in (phrase.words[:-1] if phrase.is_prefix else phrase.words)}
    starts = tuple(phrase.words[-1] for phrase in phrases if phrase.is_prefix)

    def mark(match: re.Match[str]) -> str:
        word = match[1]
        if word is None:
            return match[0]
        folded = fold(word)
        if folded in whole or (starts and folded.startswith(starts)):
            return f"{BEGIN}{word}{END}"
        return word if word.isascii() else _mark_dense(word, whole, starts)

    return _PIECE.sub(mark, text)


def _mark_dense(word: str, whole: Collection[str], starts: Sequence[str]) -> str:
    """Mark what is searched for within a run of characters that is written without blanks."""
    terms = [re.escape(term) for term in (*whole, *starts) if not term.isascii()]
    if not terms:
        return word
    covered = [False] * len(word)
    for match in re.finditer(f"(?=({'|'.join(sorted(terms, key=len, reverse=True))}))", word):
        covered[match.start(1) : match.end(1)] = [True] * (match.end(1) - match.start(1))
    marked = []
    for place, character in enumerate(word):
        before = place > 0 and covered[place - 1]
        marked.append((BEGIN if covered[place] and not before else "") + (END if before and not covered[place] else ""))
        marked.append(character)
    return "".join(marked) + (END if covered and covered[-1] else "")
