"""Presence of other users: asked of the upstream one user at a time, within a budget.

The upstream sends bots no presence, and ``users.getPresence`` may be called about fifty times a minute. So users are
asked for in turn: those that a bot has just asked about first, then those that connections watch, round and round.
Source: wire/events-api.md#what-only-rtm-has.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Final

import msgspec

from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.server.hub.hub import Hub
from tautwire.server.rtm.backend import Peer

log = logging.getLogger("tautwire.gateway")

MAX_WATCHED: Final = 5_000
"""Users that are watched by all connections together."""
MAX_ASKED: Final = 1_000
"""Users in the queue of queries; more are not answered."""

MAX_SEEN: Final = 5_000
"""Users whose last answer is remembered for ``users.list?presence=1``."""


class Presence:
    """Answers presence queries and subscriptions from a cache that polling fills.

    Args:
        budget: calls a minute; with 0 nothing is asked, and queries have no answer.
    """

    def __init__(self, api: Api, hub: Hub, budget: int) -> None:
        self._api = api
        self._hub = hub
        self._budget = budget
        self._states: dict[str, str] = {}
        self._asked_at: dict[str, float] = {}  # when the state of a watched user was asked for last, or wanted first
        self._watchers: dict[str, dict[Peer, None]] = {}
        self._asked: dict[str, dict[Peer, None]] = {}  # who waits for a first answer, oldest first
        self._seen: dict[str, str] = {}  # the last answer about each user, oldest first
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.calls = 0

    @property
    def age(self) -> float:
        """Seconds since the watched user whose state is oldest was asked for; 0 if no user is watched."""
        return monotonic() - min(self._asked_at.values()) if self._asked_at else 0.0

    def start(self) -> None:
        """Begin to ask."""
        if self._budget:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def subscribe(self, peer: Peer, users: Sequence[str]) -> bool:
        """Replace the users whose changes a peer gets; False, with nothing changed, if that is too many."""
        wanted = tuple(dict.fromkeys(users))
        fresh = [user for user in wanted if user not in peer.watched]
        if len(self._watchers.keys() | fresh) > MAX_WATCHED:
            return False
        self.forget(peer)
        peer.watched = wanted
        for user in wanted:
            self._watchers.setdefault(user, {})[peer] = None
            self._asked_at.setdefault(user, monotonic())
        self.query(peer, fresh)
        return True

    def forget(self, peer: Peer) -> None:
        """End the subscription and the queries of a peer."""
        for user in peer.watched:
            watchers = self._watchers.get(user, {})
            watchers.pop(peer, None)
            if not watchers:
                self._watchers.pop(user, None)
                self._states.pop(user, None)
                self._asked_at.pop(user, None)
        peer.watched = ()
        for user, peers in list(self._asked.items()):
            peers.pop(peer, None)
            if not peers:
                del self._asked[user]

    def query(self, peer: Peer, users: Iterable[str]) -> None:
        """Send a peer the states of users: those that are known at once, the others when they are."""
        known: dict[str, list[str]] = {}
        for user in users:
            state = self._states.get(user) if user in self._watchers else None
            if state is not None:
                known.setdefault(state, []).append(user)
            elif user in self._asked or len(self._asked) < MAX_ASKED:
                self._asked.setdefault(user, {})[peer] = None
        for state, group in known.items():
            for frame in _frames(group, state, is_batch=peer.batches_presence):
                self._hub.tell(peer, frame)
        self._wake.set()

    def recall(self, users: Iterable[str]) -> dict[str, str]:
        """Return what is known of users; the others are asked for when the budget has room."""
        known: dict[str, str] = {}
        for user in users:
            if user in self._seen:
                known[user] = self._seen[user]
            elif self._budget and (user in self._asked or len(self._asked) < MAX_ASKED):
                self._asked.setdefault(user, {})
        self._wake.set()
        return known

    async def _run(self) -> None:
        round_: list[str] = []
        while True:
            if not self._asked and not round_:
                round_ = list(self._watchers)
            if self._asked:
                user = next(iter(self._asked))
            elif round_:
                user = round_.pop()
            else:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._ask(user)
            await asyncio.sleep(60 / self._budget)

    async def _ask(self, user: str) -> None:
        self.calls += 1
        state = ""
        try:
            state = (await self._api.read("users.getPresence", user=user)).text("presence")
        except (RefusedError, UpstreamError) as error:
            log.debug("the presence of %s is not known: %s", user, error)
        waiting = self._asked.pop(user, {})
        if not state:
            return
        self._seen.pop(user, None)
        self._seen[user] = state
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        watchers = self._watchers.get(user, {})
        if watchers:
            self._asked_at[user] = monotonic()
        has_changed = self._states.get(user) != state
        if watchers:
            self._states[user] = state
        for peer in {**waiting, **(watchers if has_changed else {})}:
            for frame in _frames([user], state, is_batch=peer.batches_presence):
                self._hub.tell(peer, frame)


def _frames(users: Sequence[str], presence: str, *, is_batch: bool) -> list[bytes]:
    if is_batch:
        return [msgspec.json.encode({"type": "presence_change", "users": users, "presence": presence})]
    return [msgspec.json.encode({"type": "presence_change", "user": user, "presence": presence}) for user in users]
