"""The tables ``search_entry``, the words of each message, and ``search_fill``, how far messages are entered.

Words are written in the form of ``services.search.words``: folded, and separated by a blank. A word that begins with
``§`` is a mark, which no text contains. The index finds the entries with given words. A phrase is looked for in these.

An index query is written in the words of SQLite's FTS5, of which ``postgres.values`` makes those of PostgreSQL.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from tautwire.server.store.engine import Insert, Query, Row
from tautwire.server.store.statements import Statements


class SearchEntry(NamedTuple):
    """What the search knows of a message."""

    ts: str
    channel: str
    words: str


SEARCH_ENTRY: Final = Insert("search_entry", SearchEntry._fields)


class Phrase(NamedTuple):
    """Words that stand side by side."""

    words: tuple[str, ...]
    is_prefix: bool = False
    """Whether the last of them is the beginning of a word."""


class Condition(NamedTuple):
    """Something that is true of a message: a name in ``CONDITIONS`` and its values."""

    name: str
    values: tuple[str, ...] = ()
    is_negated: bool = False


class Wanted(NamedTuple):
    """The messages that a search is for."""

    phrases: Sequence[Phrase] = ()
    """All of them have to be there."""
    unwanted: Sequence[Phrase] = ()
    """A message that has one of them is not found."""
    choices: Sequence[Sequence[str]] = ()
    """Words or marks; of each choice one has to be there."""
    conditions: Sequence[Condition] = ()
    low: str = ""
    """The first ts."""
    high: str = ""
    """The ts before which messages lie; empty for no end."""


class Key(NamedTuple):
    """Which message it is."""

    ts: str
    channel: str


class Fill(NamedTuple):
    """How far messages are entered."""

    position: int
    """The messages of all entries of the log up to this one are entered."""
    older: Key | None
    """The last one of the messages by channel and time that was looked at; None if none is left to look at.

    It is set while messages are entered of which the log may have no entry: of an earlier version, of a backup.
    """
    head: int
    """The head of the log."""

    def reaches(self, position: int) -> bool:
        """Whether all messages that the log had at a position are entered."""
        return self.older is None and self.position >= position


_REFERENCE: Final = "message ON kind = 'message' AND message.channel = topic AND message.ts = message_ts"
_NOT_ENTERED: Final = (
    "NOT EXISTS (SELECT 1 FROM search_entry s WHERE s.ts = message.ts AND s.channel = message.channel)"
)

_IS_DIRECT: Final = "EXISTS (SELECT 1 FROM channel c WHERE c.id = s.channel AND c.kind IN ('im', 'mpim'))"
_HAS_MEMBER: Final = "EXISTS (SELECT 1 FROM membership o WHERE o.channel = s.channel AND o.user_id = ?)"

CONDITIONS: Final[Mapping[str, str]] = {
    "never": "FALSE",
    "between": "(s.ts >= ? AND s.ts < ?)",
    "direct": _IS_DIRECT,
    "to": (
        f"({_IS_DIRECT} AND {_HAS_MEMBER} AND EXISTS"
        " (SELECT 1 FROM message m WHERE m.channel = s.channel AND m.ts = s.ts AND m.user_id <> ?))"
    ),
    "with": (
        f"(({_IS_DIRECT} AND {_HAS_MEMBER}) OR EXISTS (SELECT 1 FROM message m JOIN message t ON t.channel = m.channel"
        " AND (t.ts = coalesce(m.thread_ts, m.ts) OR t.thread_ts = coalesce(m.thread_ts, m.ts))"
        " WHERE m.channel = s.channel AND m.ts = s.ts AND t.user_id = ? AND (m.thread_ts IS NOT NULL OR EXISTS"
        " (SELECT 1 FROM message r WHERE r.channel = m.channel AND r.thread_ts = m.ts))))"
    ),
    "thread": (
        "(EXISTS (SELECT 1 FROM message m WHERE m.channel = s.channel AND m.ts = s.ts AND m.thread_ts IS NOT NULL)"
        " OR EXISTS (SELECT 1 FROM message r WHERE r.channel = s.channel AND r.thread_ts = s.ts))"
    ),
    "pin": "EXISTS (SELECT 1 FROM pin p WHERE p.channel = s.channel AND p.ts = s.ts)",
    "reaction": "EXISTS (SELECT 1 FROM reaction r WHERE r.channel = s.channel AND r.ts = s.ts)",
    "emoji": "EXISTS (SELECT 1 FROM reaction r WHERE r.channel = s.channel AND r.ts = s.ts AND r.name = ?)",
    "own emoji": (
        "EXISTS (SELECT 1 FROM reaction r WHERE r.channel = s.channel AND r.ts = s.ts AND r.name = ? AND r.user_id = ?)"
    ),
}
"""The conditions with their SQL, whose marks are for the values."""

_VISIBLE: Final = (
    "s.channel IN (SELECT id FROM channel WHERE kind = 'public' UNION ALL"
    " SELECT channel FROM membership WHERE user_id = ?)"
)
"""A person reads public channels, and those with that person as a member."""

_FOUND: Final = "search_found f CROSS JOIN search_entry s WHERE f.id = s.id AND f.query MATCH ?"
"""CROSS: the index comes first. Else SQLite may walk through all entries in the order of the answer."""
_WORDS: Final = "(' ' || s.words || ' ')"


def find_matches(query: Query, viewer: str, wanted: Wanted, *, newest_first: bool, count: int) -> list[Key]:
    """Return at most ``count`` messages that fit and that a person may see, by time."""
    match = _match(wanted)
    parts, values = [_FOUND if match else "search_entry s WHERE TRUE"], [match] if match else []
    parts.append(_VISIBLE)
    values.append(viewer)
    if wanted.low:
        parts.append("s.ts >= ?")
        values.append(wanted.low)
    if wanted.high:
        parts.append("s.ts < ?")
        values.append(wanted.high)
    for phrase in wanted.phrases:
        if len(phrase.words) > 1:
            parts.append(f"{_WORDS} LIKE ?")
            values.append(_pattern(phrase))
    for phrase in wanted.unwanted:
        parts.append(f"{_WORDS} NOT LIKE ?")
        values.append(_pattern(phrase))
    for condition in wanted.conditions:
        parts.append(("NOT " if condition.is_negated else "") + CONDITIONS[condition.name])
        values += condition.values
    order = "DESC" if newest_first else "ASC"
    rows = query.all(
        f"SELECT s.ts, s.channel FROM {' AND '.join(parts)} ORDER BY s.ts {order}, s.channel {order} LIMIT ?",
        *values, count,
    )  # fmt: skip
    return [Key(*row) for row in rows]


def _match(wanted: Wanted) -> str:
    """Return the query for the index, empty if nothing has to be in it."""
    terms: dict[str, None] = {}
    for phrase in wanted.phrases:
        for number, word in enumerate(phrase.words, 1):
            star = "*" if phrase.is_prefix and number == len(phrase.words) else ""
            terms[f'"{word}"{star}'] = None
    for choice in wanted.choices:
        terms["(" + " OR ".join(f'"{word}"' for word in choice) + ")"] = None
    return " AND ".join(terms)


def _pattern(phrase: Phrase) -> str:
    """Return the pattern of LIKE. Words have neither ``%`` nor ``_``."""
    return f"% {' '.join(phrase.words)}{'' if phrase.is_prefix else ' '}%"


def find_people(query: Query, text: str) -> list[str]:
    """Return the ids of the users with this id, name or real name."""
    rows = query.all(
        "SELECT id FROM users WHERE id = ? OR name = lower(?) OR lower(real_name) = lower(?) ORDER BY id",
        text, text, text,
    )  # fmt: skip
    return [row[0] for row in rows]


def delete_entry(tx: Statements, channel: str, ts: str) -> None:
    """Delete the entry of a message, if it has one."""
    tx.execute("DELETE FROM search_entry WHERE ts = ? AND channel = ?", ts, channel)


def find_fill(query: Query) -> Fill:
    """Return how far messages are entered."""
    row = query.one("SELECT position, f.channel, f.ts, (SELECT head FROM workspace) FROM search_fill f")
    if row is None:
        raise LookupError("the table search_fill must have a row, and it has none: restore a backup")
    position, channel, ts, head = row
    return Fill(position, Key(ts, channel) if ts is not None else None, head or 0)


def begin_fill(tx: Statements) -> None:
    """Store that no message is entered for sure: all have to be looked at, those of the log at its head too."""
    tx.execute("UPDATE search_fill SET position = (SELECT max(head) FROM workspace), channel = '', ts = ''")


def find_stray_entry(query: Query) -> Key | None:
    """Return an entry whose message is deleted."""
    row = query.one(
        "SELECT ts, channel FROM search_entry s WHERE NOT EXISTS"
        " (SELECT 1 FROM message m WHERE m.channel = s.channel AND m.ts = s.ts) LIMIT 1"
    )
    return Key(*row) if row is not None else None


def set_position(tx: Statements, position: int) -> None:
    """Store that the messages of all entries of the log up to a position are entered."""
    tx.execute("UPDATE search_fill SET position = ?", position)


def set_older(tx: Statements, last: Key | None) -> None:
    """Store the last older message that is entered; None if all are."""
    tx.execute("UPDATE search_fill SET channel = ?, ts = ?", last and last.channel, last and last.ts)


def measure_logged(query: Query, position: int, count: int) -> Sequence[Row]:
    """Return position and bytes of the messages of at most ``count`` entries of the log behind one, oldest first."""
    return query.all(
        f"SELECT log.position, coalesce(length(body), 0) FROM log LEFT JOIN {_REFERENCE}"
        " WHERE log.position > ? ORDER BY log.position LIMIT ?",
        position, count,
    )  # fmt: skip


def read_logged(query: Query, after: int, last: int) -> Sequence[Row]:
    """Return the messages of entries of the log with ``after < position <= last`` that are not entered.

    Each has ``channel``, ``ts``, ``user_id`` and ``body``.
    """
    return query.all(
        f"SELECT channel, ts, user_id, body FROM log JOIN {_REFERENCE}"
        f" WHERE log.position > ? AND log.position <= ? AND {_NOT_ENTERED} ORDER BY log.position",
        after, last,
    )  # fmt: skip


def measure_messages(query: Query, after: Key, count: int) -> Sequence[Row]:
    """Return ``channel``, ``ts`` and bytes of at most ``count`` messages behind one, by channel and time."""
    return query.all(
        "SELECT channel, ts, length(body) FROM message WHERE (channel, ts) > (?, ?) ORDER BY channel, ts LIMIT ?",
        after.channel, after.ts, count,
    )  # fmt: skip


def read_messages(query: Query, after: Key, last: Key) -> Sequence[Row]:
    """Return the messages behind one and up to another, by channel and time, that are not entered.

    Each has ``channel``, ``ts``, ``user_id`` and ``body``.
    """
    return query.all(
        "SELECT channel, ts, user_id, body FROM message WHERE (channel, ts) > (?, ?) AND (channel, ts) <= (?, ?)"
        f" AND {_NOT_ENTERED} ORDER BY channel, ts",
        after.channel, after.ts, last.channel, last.ts,
    )  # fmt: skip
