"""Who is active: by their live connections, their activity and what they set by hand.

Source: wire/presence-and-typing.md.

Lives on the loop, in memory; only what a person set by hand is stored (as a column of the user). Presence is told by
subscription alone, on the lossy lane: the newest state counts, and it never delays an event.
"""

import logging
import sys
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from tautwire.server.clock import Clock
from tautwire.server.hub.frames import text_frame
from tautwire.server.hub.hub import Connection, Hub
from tautwire.server.log.entry import Topic
from tautwire.server.log.transaction import Transaction

log = logging.getLogger("tautwire.server.presence")

ACTIVE: Final = "active"
AWAY: Final = "away"

MAX_MEMORY: Final = 268_435_456
"""Bytes that the subscriptions of all connections may take; beyond it new ones are refused. Enough for 10,000
connections that watch the same 500 users, or for 1,400 each of which watches 500 of its own."""

_WATCH: Final = 48
"""Bytes of a subscription: a place in the watcher's tuple and one in the user's dictionary. Measured."""
_WATCHED: Final = 324
"""Bytes of a user that is watched, besides the id's characters: the text, the dictionary, a place in the table."""


class Watcher(Connection, Protocol):
    """A connection that can subscribe to presence."""

    watched: tuple[str, ...]
    """Whose presence it wants to hear of. Kept by ``Presence``."""

    @property
    def batches_presence(self) -> bool:
        """Whether it wants ``users`` instead of ``user``."""


class Presence:
    """The presence of all users.

    Args:
        away: users who set themselves away, as stored.
        bots: users to whom auto-away does not apply.
        auto_away: seconds without activity after which a person is away.
        grace: seconds that a user stays active after their last connection closed.
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
        self._active: dict[str, float] = {}  # users told as active, with the time of their last activity
        self._leaving: dict[str, float] = {}  # users without a connection, with the time their grace ends
        self._watchers: dict[str, dict[Watcher, None]] = {}
        self._memory = 0  # bytes that the subscriptions take, by ``_cost``

    def state(self, user: str) -> str:
        """Return ``active`` or ``away``."""
        return ACTIVE if user in self._active and user not in self._away else AWAY

    def is_away_by_hand(self, user: str) -> bool:
        """Whether the user set themselves away."""
        return user in self._away

    def last_activity(self, user: str) -> float | None:
        """Return when the user last did something, on the monotonic clock; None if they are not connected."""
        return self._active.get(user)

    def touch(self, user: str) -> None:
        """Note that a connected user did something."""
        if user in self._active and user not in self._leaving:  # active before and after: the usual case
            self._active[user] = self._clock.monotonic()
            return
        if self._hub.connections_of(user):
            before = self.state(user)
            self._active[user] = self._clock.monotonic()
            self._leaving.pop(user, None)
            self._tell_change(user, before)

    def disconnected(self, user: str) -> None:
        """Note that a connection of the user closed."""
        if user in self._active and not self._hub.connections_of(user):
            self._leaving[user] = self._clock.monotonic() + self._grace

    def set_away(self, user: str, *, away: bool) -> None:
        """Set or lift the away by hand; all own connections hear of it, subscribers if the state changed."""
        before = self.state(user)
        if away:
            self._away.add(user)
        else:
            self._away.discard(user)
        self._tell_change(user, before)
        payload = {"type": "manual_presence_change", "presence": AWAY if away else ACTIVE}
        self._hub.whisper(Topic(user), msgspec.json.encode(payload))

    def sweep(self) -> None:
        """Let go of who left or fell asleep; call it about once a second."""
        now = self._clock.monotonic()
        left = [user for user, end in self._leaving.items() if end <= now]
        asleep = [user for user, at in self._active.items() if at + self._auto_away <= now and user not in self._bots]
        for user in (*left, *asleep):
            before = self.state(user)
            self._leaving.pop(user, None)
            self._active.pop(user, None)
            self._tell_change(user, before)

    def subscribe(self, watcher: Watcher, users: Sequence[str]) -> bool:
        """Replace what the connection watches; it hears at once about those that are new.

        Returns:
            False, with nothing changed, if all subscriptions of the server would take more than ``MAX_MEMORY``.
        """
        wanted = tuple(sys.intern(user) for user in dict.fromkeys(users))  # an id once, not for each watcher
        before = frozenset(watcher.watched)
        fresh = [user for user in wanted if user not in before]
        if fresh and self._memory + sum(map(self._cost, fresh)) > MAX_MEMORY:
            log.warning("presence_sub of %s refused: all subscriptions take %d bytes", watcher.user, self._memory)
            return False
        self._drop(watcher, before.difference(wanted))
        for user in fresh:
            self._memory += self._cost(user)
            self._watchers.setdefault(user, {})[watcher] = None
        watcher.watched = wanted
        self.answer(watcher, fresh)
        return True

    def unsubscribe(self, watcher: Watcher) -> None:
        """Tell the connection nothing any more."""
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
        """Return about how many bytes one more watcher of the user takes."""
        return _WATCH if user in self._watchers else _WATCH + _WATCHED + len(user)

    def answer(self, watcher: Watcher, users: Sequence[str]) -> None:
        """Tell one connection the state of these users."""
        if watcher.batches_presence:
            for presence in (ACTIVE, AWAY):
                group = [user for user in users if self.state(user) == presence]
                if group:
                    self._hub.push(watcher, text_frame(_batch(group, presence)))
        else:
            for user in users:
                self._hub.push(watcher, text_frame(_single(user, self.state(user))))

    def _tell_change(self, user: str, before: str) -> None:
        presence = self.state(user)
        if presence == before:
            return
        watchers = self._watchers.get(user)
        if watchers:
            single, batch = text_frame(_single(user, presence)), text_frame(_batch([user], presence))
            for watcher in watchers:
                if not watcher.is_slow:
                    self._hub.push(watcher, batch if watcher.batches_presence else single)


def store_away(tx: Transaction, user: str, *, away: bool) -> None:
    """Remember what the user set by hand (a unit)."""
    tx.execute("UPDATE user SET away = ? WHERE id = ?", int(away), user)


def _single(user: str, presence: str) -> bytes:
    return msgspec.json.encode({"type": "presence_change", "user": user, "presence": presence})


def _batch(users: Sequence[str], presence: str) -> bytes:
    return msgspec.json.encode({"type": "presence_change", "users": users, "presence": presence})
