"""Presence: each user is active or away, by live connections, activity and the manual setting.

Source: wire/presence-and-typing.md.

The state is in memory and changes on the loop only. The manual setting alone is stored (a column of the user). Presence
events go to subscribers only, on the lossy lane: a later state replaces an earlier one, so a lost event does no harm,
and a presence event never delays a message.
"""

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.hub.hub import Connection, Hub
from tautwire.server.log.entry import Entry, Topic
from tautwire.server.log.transaction import Transaction
from tautwire.server.store.queries.users import set_away

log = logging.getLogger("tautwire.server.presence")

ACTIVE: Final = "active"
AWAY: Final = "away"

NEW_BOT: Final = b"bot"
"""The payload of the entry (kind ``room``, topic the user) that a new bot leaves."""

MAX_MEMORY: Final = 268_435_456
"""Bytes of the subscriptions of all connections, above which new ones are refused. Enough for 10,000 connections that
watch the same 500 users, or for 1,400 that watch 500 different users each."""

_WATCH: Final = 48
"""Bytes of a subscription: a place in the watcher's tuple and one in the user's dictionary. Measured."""
_WATCHED: Final = 324
"""Bytes of a watched user, without the characters of the id: text, dictionary, place in the table. Measured."""


class Watcher(Connection, Protocol):
    """A connection that can subscribe to presence."""

    watched: tuple[str, ...]
    """The users it subscribes to. Only ``Presence`` changes it."""

    @property
    def batches_presence(self) -> bool:
        """Whether its presence_change has ``users`` instead of ``user``."""


class Presence:
    """The presence of all users.

    Args:
        away: users with a stored manual away.
        bots: users to whom auto-away does not apply.
        auto_away: seconds without activity after which a person is away.
        grace: seconds that a user stays active after the last connection ended.
    """

    def __init__(
        self, hub: Hub, clock: Clock, *, away: set[str], bots: set[str], auto_away: float, grace: float
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._away = away
        self._bots = bots
        self._auto_away = auto_away
        self._grace = grace
        self._active: dict[str, float] = {}  # active users, with the time of their last activity
        self._leaving: dict[str, float] = {}  # active users without a connection, with the end of their grace
        self._watchers: dict[str, dict[Watcher, None]] = {}
        self._memory = 0  # bytes of the subscriptions, estimated by ``_cost``

    def follow(self, entries: Sequence[Entry]) -> None:
        """Apply the entries of the log; a reader of the feed."""
        for entry in entries:
            if entry.kind == "room" and entry.payload == NEW_BOT:
                self._bots.add(entry.topic)

    def state(self, user: str) -> str:
        """Return ``active`` or ``away``."""
        return ACTIVE if user in self._active and user not in self._away else AWAY

    def is_away_by_hand(self, user: str) -> bool:
        """Whether the user is away by the manual setting."""
        return user in self._away

    def last_activity(self, user: str) -> float | None:
        """Return the time of the user's last activity on the monotonic clock; None if the user is not active."""
        return self._active.get(user)

    def touch(self, user: str) -> None:
        """Record an activity of a connected user."""
        if user in self._active and user not in self._leaving:  # active before and after: the usual case
            self._active[user] = self._clock.monotonic()
            return
        if self._hub.connections_of(user):
            before = self.state(user)
            self._active[user] = self._clock.monotonic()
            self._leaving.pop(user, None)
            self._emit_change(user, before)

    def disconnected(self, user: str) -> None:
        """Called when a connection of the user ended; with the last one the grace period begins."""
        if user in self._active and not self._hub.connections_of(user):
            self._leaving[user] = self._clock.monotonic() + self._grace

    def set_away(self, user: str, *, away: bool) -> None:
        """Set or end the manual away; the user's connections get an event, subscribers get one if the state changes."""
        before = self.state(user)
        if away:
            self._away.add(user)
        else:
            self._away.discard(user)
        self._emit_change(user, before)
        payload = {"type": "manual_presence_change", "presence": AWAY if away else ACTIVE}
        self._hub.whisper(Topic(user), msgspec.json.encode(payload))

    def sweep(self) -> None:
        """Set users away whose grace or activity period has ended; to be called about once a second."""
        now = self._clock.monotonic()
        left = [user for user, end in self._leaving.items() if end <= now]
        asleep = [user for user, at in self._active.items() if at + self._auto_away <= now and user not in self._bots]
        for user in (*left, *asleep):
            before = self.state(user)
            self._leaving.pop(user, None)
            self._active.pop(user, None)
            self._emit_change(user, before)

    def subscribe(self, watcher: Watcher, users: Sequence[str]) -> bool:
        """Replace the subscription of a connection; the states of new users are sent at once.

        Returns:
            False, with nothing changed, if all subscriptions of the server would take more than ``MAX_MEMORY``.
        """
        wanted = tuple(
            sys.intern(user) for user in dict.fromkeys(users)
        )  # one string for each id, shared by all watchers
        before = frozenset(watcher.watched)
        fresh = [user for user in wanted if user not in before]
        if fresh and self._memory + sum(map(self._cost, fresh)) > MAX_MEMORY:
            log.warning("presence_sub of %s refused: all subscriptions take %d bytes", watcher.user, self._memory)
            return False
        # After the check: a refused subscription leaves the old one as it was.
        self._drop(watcher, before.difference(wanted))
        for user in fresh:
            self._memory += self._cost(user)
            self._watchers.setdefault(user, {})[watcher] = None
        watcher.watched = wanted
        self.answer(watcher, fresh)
        return True

    def unsubscribe(self, watcher: Watcher) -> None:
        """End the subscription of a connection."""
        self._drop(watcher, watcher.watched)
        watcher.watched = ()

    def _drop(self, watcher: Watcher, users: Iterable[str]) -> None:
        for user in users:
            watchers = self._watchers[user]
            del watchers[watcher]
            if not watchers:
                del self._watchers[user]
            self._memory -= self._cost(user)

    def _cost(self, user: str) -> int:
        """Return the estimated bytes of one more watcher of the user."""
        return _WATCH if user in self._watchers else _WATCH + _WATCHED + len(user)

    def answer(self, watcher: Watcher, users: Sequence[str]) -> None:
        """Send the states of users to one connection."""
        if watcher.batches_presence:
            for presence in (ACTIVE, AWAY):
                group = [user for user in users if self.state(user) == presence]
                if group:
                    self._hub.tell(watcher, _batch(group, presence))
        else:
            for user in users:
                self._hub.tell(watcher, _single(user, self.state(user)))

    def _emit_change(self, user: str, before: str) -> None:
        presence = self.state(user)
        if presence == before:
            return
        watchers = self._watchers.get(user)
        if watchers:
            batching = [watcher for watcher in watchers if watcher.batches_presence]
            others = [watcher for watcher in watchers if not watcher.batches_presence]
            self._hub.whisper_to(batching, _batch([user], presence))
            self._hub.whisper_to(others, _single(user, presence))


def store_away(tx: Transaction, user: str, *, away: bool) -> None:
    """Store the manual setting (a unit)."""
    set_away(tx, user, away=away)


def _single(user: str, presence: str) -> bytes:
    return msgspec.json.encode({"type": "presence_change", "user": user, "presence": presence})


def _batch(users: Sequence[str], presence: str) -> bytes:
    return msgspec.json.encode({"type": "presence_change", "users": users, "presence": presence})
