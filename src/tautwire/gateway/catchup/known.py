"""What the log of the gateway has already: ids of events, messages, and the newest message of each channel.

It is kept in notes of the log, written in the transaction of the frames, so it is as durable as they are: a gateway
that was killed finds at its start what it had stored. A note is the id of an event and, for a new message, its channel
and ts. A message that was caught up has no event; its note has a dash in place of the id.
"""

from collections.abc import Sequence
from typing import Final

from tautwire.protocol.ids import NEVER
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.store.engine import Query
from tautwire.server.store.queries.log import find_notes
from tautwire.server.store.queries.users import find_bot_users, find_user

UPSTREAM: Final = Topic("upstream")
"""The topic of the notes; they are sent to no connection."""
MAX_KNOWN: Final = 20_000
"""Events and messages that are remembered: the upstream repeats an event for an hour or so."""
CAUGHT_UP: Final = "-"
"""The id of a message that was read from the history."""

Message = tuple[str, str]
"""Channel and ts."""


class Known:
    """Events and messages that are stored, or about to be.

    Args:
        notes: the newest ones of the log, oldest first.
        since: ts from which a message that is not known was missed: the time of the first start.
    """

    def __init__(self, notes: Sequence[bytes] = (), since: str = NEVER) -> None:
        self._events: dict[str, None] = {}  # oldest first, as all here
        self._messages: dict[Message, bool] = {}  # whether it was caught up
        self._newest: dict[str, str] = {}
        self.since = since
        oldest = ""
        for note in notes:
            event, _, message = note.decode().partition(" ")
            channel, _, ts = message.partition(" ")
            self.add(event, channel, ts)
            oldest = oldest or ts
        if len(notes) >= MAX_KNOWN:  # older ones are not remembered: of older messages nothing can be said
            self.since = max(since, oldest)

    def has_event(self, event: str) -> bool:
        """Whether an event is stored."""
        return event in self._events

    def has_message(self, channel: str, ts: str) -> bool:
        """Whether a message is stored, or posted to the writer."""
        return (channel, ts) in self._messages

    def was_caught_up(self, channel: str, ts: str) -> bool:
        """Whether a message came from the history: its event has nothing new."""
        return self._messages.get((channel, ts), False)

    def newest(self, channel: str) -> str:
        """Return the ts of the newest stored message of a channel, ``NEVER`` if there is none."""
        return self._newest.get(channel, NEVER)

    def expect(self, channel: str, ts: str) -> None:
        """Note that a message is on its way to the log."""
        if ts:
            self._messages.setdefault((channel, ts), False)

    def forget(self, channel: str, ts: str) -> None:
        """Note that a message has not reached the log."""
        self._messages.pop((channel, ts), None)

    def add(self, event: str, channel: str, ts: str) -> None:
        """Note that an event, or a message that was caught up, is stored."""
        if event != CAUGHT_UP:
            self._events[event] = None
            _cut(self._events)
        if ts:
            self._messages[channel, ts] = event == CAUGHT_UP
            _cut(self._messages)
            self._newest[channel] = max(ts, self._newest.pop(channel, NEVER))  # the most recent one last
            _cut(self._newest)


def note(tx: Transaction, event: str, channel: str, ts: str) -> None:
    """Note in the log that an event is stored (part of a unit); ``ts`` is that of a new message, else empty."""
    tx.note("room", UPSTREAM, (f"{event} {channel} {ts}" if ts else event).encode())


def read_known(query: Query) -> Known:
    """Return what the log has."""
    users = find_bot_users(query)
    bot = find_user(query, users.pop()) if users else None
    return Known(find_notes(query, UPSTREAM, MAX_KNOWN), f"{bot.created:010}.000000" if bot is not None else NEVER)


def _cut(values: dict[str, None] | dict[Message, bool] | dict[str, str]) -> None:
    if len(values) > MAX_KNOWN:
        del values[next(iter(values))]  # type: ignore[arg-type]
