"""What a query asks for. Source: wire/search.md#query.

A query never fails: a modifier that is not known, or with a value that it does not have, is searched as words. A user
or a channel that does not exist, or that the caller does not see, is in no message.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final

import msgspec

from tautwire.server.services.search.dates import parse_days, ts_of
from tautwire.server.services.search.entries import HAS_FILE, HAS_LINK, author_mark, channel_mark
from tautwire.server.services.search.words import fold, phrase_of, readable
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.channels import find_channel_by_name, find_direct_channel
from tautwire.server.store.queries.search import Condition, Phrase, Wanted, find_people

MIN_PREFIX: Final = 3
"""Characters before ``*``. Source: wire/search.md#query (documented)."""

_PART: Final = re.compile(r'(-)?(?:([a-zA-Z]+):)?(?:"([^"]*)"?|(<[^<>]*>|\S+))')
_MENTION: Final = re.compile(r"<[@#]([A-Za-z0-9]+)(?:\|[^<>]*)?>")
_EMOJI: Final = re.compile(r":([^:\s]+):")
_NEVER: Final = Condition("never")

_HAS: Final = {"link": HAS_LINK, "file": HAS_FILE}
_CONDITIONS: Final[Mapping[tuple[str, str], Condition]] = {
    ("has", "pin"): Condition("pin"),
    ("has", "reaction"): Condition("reaction"),
    ("has", "star"): _NEVER,  # this server has neither stars nor saved items
    ("is", "saved"): _NEVER,
    ("is", "starred"): _NEVER,
    ("is", "thread"): Condition("thread"),
    ("is", "dm"): Condition("direct"),
}


class Question(msgspec.Struct):
    """A query that is read."""

    phrases: list[Phrase]
    unwanted: list[Phrase]
    choices: list[list[str]]
    conditions: list[Condition]
    low: str = ""
    high: str = ""
    is_empty: bool = True
    """Whether nothing in the query can be searched for."""

    @property
    def wanted(self) -> Wanted:
        """What the store is asked for."""
        return Wanted(self.phrases, self.unwanted, self.choices, self.conditions, self.low, self.high)


class _Reading:
    """The reading of one query."""

    def __init__(self, query: Query, me: str, today: date) -> None:
        self.question = Question([], [], [], [])
        self._query = query
        self._me = me
        self._today = today
        self._authors: list[str] | None = None
        self._places: list[str] | None = None
        self._names: Mapping[str, Callable[[str, bool], bool]] = {
            "from": self._from,
            "in": self._in,
            "to": self._to,
            "with": self._with,
            "has": self._has,
            "is": self._is,
            "hasmy": self._hasmy,
            "before": self._before,
            "after": self._after,
            "on": self._on,
            "during": self._on,
        }

    def read(self, text: str) -> Question:
        """Return what a text asks for."""
        for match in _PART.finditer(text):
            self._part(match[1] is not None, match[2], match[3] if match[3] is not None else match[4], match)
        for marks in (self._authors, self._places):
            if marks:
                self.question.choices.append(marks)
            elif marks is not None:
                self._add(_NEVER, False)
        return self.question

    def _part(self, is_negated: bool, name: str | None, value: str, match: re.Match[str]) -> None:
        is_quoted = match[3] is not None
        if name is not None:
            modifier = self._names.get(name.lower())
            if modifier is not None and value and modifier(value, is_negated):
                self.question.is_empty = False
                return
            value = f"{name}:{value}"
        self._words(value, is_negated, is_quoted)

    def _words(self, value: str, is_negated: bool, is_quoted: bool) -> None:
        words, goes_on = phrase_of(readable(value))
        if not words:
            return
        self.question.is_empty = False
        if value.endswith("*") and not is_quoted and len(words[-1]) >= MIN_PREFIX:
            goes_on = True
        phrase = Phrase(words, goes_on)
        if is_negated:
            self.question.unwanted.append(phrase)
        elif value.startswith("@") and len(words) == 1 and not goes_on:
            # A mention is stored with the id, a typed name with the name.
            self.question.choices.append([words[0], *(fold(user) for user in self._people(value))])
        else:
            self.question.phrases.append(phrase)

    def _from(self, value: str, is_negated: bool) -> bool:
        marks = [author_mark(user) for user in self._people(value)]
        if is_negated:
            self.question.unwanted += [Phrase((mark,)) for mark in marks]
        else:
            self._authors = [*(self._authors or ()), *marks]
        return True

    def _in(self, value: str, is_negated: bool) -> bool:
        marks = [channel_mark(channel) for channel in self._channels(value)]
        if is_negated:
            self.question.unwanted += [Phrase((mark,)) for mark in marks]
        else:
            self._places = [*(self._places or ()), *marks]
        return True

    def _to(self, value: str, is_negated: bool) -> bool:
        users = self._people(value)
        self._add(Condition("to", (users[0], users[0])) if users else _NEVER, is_negated)
        return True

    def _with(self, value: str, is_negated: bool) -> bool:
        users = self._people(value)
        self._add(Condition("with", (users[0], users[0])) if users else _NEVER, is_negated)
        return True

    def _has(self, value: str, is_negated: bool) -> bool:
        mark = _HAS.get(value.lower())
        if mark is not None:
            if is_negated:
                self.question.unwanted.append(Phrase((mark,)))
            else:
                self.question.choices.append([mark])
            return True
        if emoji := _EMOJI.fullmatch(value):
            self._add(Condition("emoji", (emoji[1],)), is_negated)
            return True
        return self._plain("has", value, is_negated)

    def _hasmy(self, value: str, is_negated: bool) -> bool:
        emoji = _EMOJI.fullmatch(value)
        if emoji is None:
            return False
        self._add(Condition("own emoji", (emoji[1], self._me)), is_negated)
        return True

    def _is(self, value: str, is_negated: bool) -> bool:
        return self._plain("is", value, is_negated)

    def _plain(self, name: str, value: str, is_negated: bool) -> bool:
        condition = _CONDITIONS.get((name, value.lower()))
        if condition is None:
            return False
        self._add(condition, is_negated)
        return True

    def _before(self, value: str, is_negated: bool) -> bool:
        days = parse_days(value, self._today)
        return days is not None and self._between("", ts_of(days.first), is_negated)

    def _after(self, value: str, is_negated: bool) -> bool:
        days = parse_days(value, self._today)
        return days is not None and self._between(ts_of(days.end), "", is_negated)

    def _on(self, value: str, is_negated: bool) -> bool:
        days = parse_days(value, self._today)
        return days is not None and self._between(ts_of(days.first), ts_of(days.end), is_negated)

    def _between(self, low: str, high: str, is_negated: bool) -> bool:
        if is_negated:
            self._add(Condition("between", (low, high or "A")), True)  # "A" is behind all digits
            return True
        self.question.low = max(self.question.low, low)
        if high:
            self.question.high = min(self.question.high or high, high)
        return True

    def _add(self, condition: Condition, is_negated: bool) -> None:
        self.question.conditions.append(condition._replace(is_negated=is_negated))

    def _people(self, value: str) -> list[str]:
        """Return the ids of the users that a value names."""
        mention = _MENTION.fullmatch(value)
        name = mention[1] if mention else value.removeprefix("@")
        return [self._me] if name.lower() == "me" else find_people(self._query, name)

    def _channels(self, value: str) -> list[str]:
        """Return the ids of the conversations that a value names; a user stands for the direct messages."""
        mention = _MENTION.fullmatch(value)
        if value.startswith(("@", "<@")):
            found = (find_direct_channel(self._query, ",".join(sorted({self._me, u}))) for u in self._people(value))
            return [channel for channel in found if channel is not None]
        if mention:
            return [mention[1]]
        name = value.removeprefix("#")
        channel = find_channel_by_name(self._query, name.lower())
        return [channel.id] if channel is not None else [name] if name.isascii() and name.isalnum() else []


def read_query(query: Query, text: str, *, me: str, today: date) -> Question:
    """Return what a query of the user ``me`` asks for."""
    return _Reading(query, me, today).read(text)
