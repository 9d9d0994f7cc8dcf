"""The words of a text as the search has them: in the index and in a query.

A word is a run of letters and digits, folded: without case, diacritics and compatibility forms. Chinese, Japanese and
Korean are written without blanks or with few, so runs of these become pairs of neighbours, and the last character once
more alone. Every place in a run is then the beginning of a word. Source: wire/search.md#query (recommended).
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from tautwire.protocol.text import unescape

MAX_WORD: Final = 64
"""Characters of a word; the rest is left out."""

MARK: Final = "§"
"""Begins what is said about a message and is no word of its text."""

_WORD: Final = re.compile(r"[^\W_]+")
_DENSE: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_RUN: Final = re.compile(f"([{_DENSE}]+)|[^{_DENSE}]+")
_DIACRITICS: Final = re.compile("[\u0300-\u036f]+")
_SEQUENCE: Final = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_SCHEME: Final = re.compile(r"(?:https?://|mailto:)", re.IGNORECASE)


def readable(text: str) -> str:
    """Return what a stored text says: of ``<…>`` the ids, addresses and labels, and characters in place of entities."""
    if "<" in text:
        text = _SEQUENCE.sub(lambda match: f" {_SCHEME.sub('', match[1])} {match[2] or ''} ", text)
    return unescape(text) if "&" in text else text


def fold(text: str) -> str:
    """Return a text without case, diacritics and compatibility forms."""
    if text.isascii():
        return text.lower()
    bare = _DIACRITICS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", bare).casefold()


def words_of(text: str) -> list[str]:
    """Return the words of a readable text for the index."""
    folded = fold(text)
    if folded.isascii():
        return [word[:MAX_WORD] for word in _WORD.findall(folded)]
    return [word for found in _WORD.findall(folded) for word in _split(found)]


def phrase_of(text: str) -> tuple[tuple[str, ...], bool]:
    """Return the words that stand side by side where a text has this, and whether the last may go on."""
    words = words_of(text)
    runs = _WORD.findall(fold(text))
    last = [match[1] for match in _RUN.finditer(runs[-1])][-1] if runs else None
    if last is None:
        return tuple(words), False
    if len(last) == 1:  # it may be the first of a pair
        return tuple(words), True
    return tuple(words[:-1]), False  # what the last character begins is not known


def _split(word: str) -> Iterator[str]:
    for match in _RUN.finditer(word):
        run = match[1]
        if run is None:
            yield match[0][:MAX_WORD]
        else:
            yield from (run[place : place + 2] for place in range(len(run)))
