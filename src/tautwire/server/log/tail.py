"""The newest entries in memory, older ones from disk, and the rule of what a user may see.

The position of the tail is the one up to which this node has delivered. A connection that opens gets the entries
between the position of its ticket and the tail, then is live. Both happen on the loop in one turn, so no entry can
slip between.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from itertools import islice
from typing import Final

from tautwire.server.log.entry import WORKSPACE, Entry, Topic, message_event
from tautwire.server.store.engine import Query, Row, StoreError
from tautwire.server.store.queries.log import find_entries, find_moves

MAX_TAIL: Final = 20_000
"""Entries in memory: 30 s from rtm.connect to the dial, at about 600 entries a second. Older ones are on disk."""

MAX_TAIL_SIZE: Final = 32 * 1024 * 1024
"""Bytes of the payloads of these entries."""

MAX_PAGE: Final = 500
"""Entries that are read at once without a look at their size."""

MAX_REPLAY: Final = 10_000
"""Entries between a position and now up to which a client can resume; beyond it the answer is ``resync``."""


class EntriesMissingError(StoreError):
    """Entries of the log that should be stored are not."""


class Tail:
    """The end of the log as this node has delivered it.

    Args:
        position: the head of the log at start.
        kept_from: position of the oldest entry on disk at start; one past the head if there is none.
    """

    def __init__(self, position: int, kept_from: int = 1) -> None:
        self.position = position
        self.kept_from = kept_from
        """Position of the oldest entry on disk; ``log.retention`` has deleted older ones."""
        self.size = 0
        """Bytes of the payloads in memory."""
        self._entries: deque[Entry] = deque()

    def extend(self, entries: Sequence[Entry]) -> None:
        """Append the entries of a commit, and drop the oldest ones above the limits."""
        if entries:
            self._entries.extend(entries)
            self.position = entries[-1].position
            self.size += sum(len(entry.payload) for entry in entries)
            # Two limits: many small entries cost objects, few large ones cost bytes.
            while len(self._entries) > MAX_TAIL or (self.size > MAX_TAIL_SIZE and self._entries):
                self.size -= len(self._entries.popleft().payload)

    @property
    def oldest(self) -> int:
        """Position of the oldest entry in memory; one past the end if there is none."""
        return self._entries[0].position if self._entries else self.position + 1

    def at(self, position: int) -> Entry:
        """Return an entry in memory; ``oldest`` says from which position on."""
        return self._entries[position - self.oldest]

    def since(self, position: int) -> list[Entry]:
        """Return the entries in memory after ``position``, oldest first."""
        newest_first = islice(reversed(self._entries), max(0, self.position - position))
        return list(newest_first)[::-1]


def read_entries(query: Query, *, after: int, before: int) -> list[Entry]:
    """Return the stored entries with ``after < position < before``, oldest first.

    Raises:
        EntriesMissingError: some of them were deleted.
        StoreError: an entry refers to a missing message.
    """
    rows = find_entries(query, after=after, before=before)
    first = rows[0][0] if rows else before
    if first != after + 1:
        raise EntriesMissingError(f"entry {after + 1} of the log was deleted; the log continues at {first}")
    return [_entry(row) for row in rows]


def read_page(query: Query, *, after: int, before: int) -> list[Entry]:
    """Return the first of the stored entries with ``after < position < before``, at most ``MAX_PAGE``."""
    return read_entries(query, after=after, before=min(before, after + 1 + MAX_PAGE))


def _entry(row: Row) -> Entry:
    position, kind, topic, payload, ts, body = row
    if kind != "message":
        return Entry(position, kind, Topic(topic), payload)
    if body is None:
        raise StoreError(f"entry {position} of the log refers to message {ts} of {topic}, which is missing")
    return Entry(position, "event", Topic(topic), message_event(body, topic, ts), message=ts)


def read_moves(query: Query, *, after: int, before: int, user: str) -> list[Entry]:
    """Return a user's joins and leaves among the stored entries with ``after < position < before``, oldest first."""
    rows = find_moves(query, after=after, before=before, user=user)
    return [Entry(row["position"], row["kind"], Topic(row["topic"]), row["payload"]) for row in rows]


class Audience:
    """Which of several users see a topic, at a place of the log that moves: ``visible`` for many, entry by entry.

    Args:
        channels: the channels of each user.
    """

    def __init__(self, channels: Mapping[str, Collection[Topic]]) -> None:
        self.users: Collection[str] = tuple(channels)
        self._users = frozenset(channels)
        self._members: dict[Topic, set[str]] = {}
        self._seen_by: dict[Topic, frozenset[str]] = {}  # the same, for those topics that were asked for
        for user, topics in channels.items():
            for topic in topics:
                self._members.setdefault(topic, set()).add(user)

    def of(self, topic: Topic) -> Collection[str]:
        """Return the users who see the events of a topic; the set is that of this place."""
        if topic == WORKSPACE:
            return self._users
        if topic in self._users:
            return (topic,)
        seen_by = self._seen_by.get(topic)
        if seen_by is None and topic in self._members:
            seen_by = self._seen_by[topic] = frozenset(self._members[topic])
        return seen_by or frozenset()

    def move(self, entry: Entry, *, undo: bool = False) -> None:
        """Go past an entry, forward or with ``undo`` backward."""
        if entry.kind not in ("join", "leave"):
            return
        user = entry.payload.decode()
        if user in self._users:
            self._seen_by.pop(entry.topic, None)
            if (entry.kind == "join") is not undo:
                self._members.setdefault(entry.topic, set()).add(user)
            else:
                self._members.get(entry.topic, set()).discard(user)


def visible(entries: Sequence[Entry], user: str, channels: Collection[Topic]) -> list[Entry]:
    """Return the events among ``entries`` that the user was allowed to see at their time, oldest first.

    ``channels`` are the user's channels after the last entry. The walk goes backwards from there and undoes each join
    and leave, so the membership is right at every entry, though only the present one is stored.
    """
    seen = {WORKSPACE, Topic(user), *channels}
    me = user.encode()
    events = []
    for entry in reversed(entries):
        if entry.kind == "event":
            if entry.topic in seen:
                events.append(entry)
        elif entry.kind == "join" and entry.payload == me:
            seen.discard(entry.topic)
        elif entry.kind == "leave" and entry.payload == me:
            seen.add(entry.topic)
    events.reverse()
    return events
