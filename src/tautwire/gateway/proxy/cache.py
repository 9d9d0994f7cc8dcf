"""Answers of the methods that bots call when they start, and of histories, kept for a minute and by events.

Old bots ask for all users and channels at every start, and several that start together use up the minute's calls of the
upstream. So a call whose answer is here, or on its way, makes no other. An event that changes what an answer says drops
the answer, and keeps one that is on its way from being kept; so does a call of a bot that may change it.
While no events come, nothing is kept, and a history only of a channel from which messages have come: so the app is
subscribed to them. Reasons: docs/adr/0033-web-api-for-old-bots.md.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from tautwire.gateway.upstream.api import Answer as Reply
from tautwire.server.clock import Clock
from tautwire.server.log.entry import Entry

Long = TypeVar("Long")

LIFE: Final = 60.0
"""Seconds that an answer is kept: not every change of the upstream is an event for the app."""
MAX_ENTRY: Final = 2 * 1_048_576
MAX_SIZE: Final = 16 * 1_048_576
"""Bytes of one answer, and of all that are kept; the oldest are dropped beyond."""

READS: Final = {
    "auth.test": "", "team.info": "", "emoji.list": "", "usergroups.list": "", "users.list": "",
    "conversations.list": "", "users.info": "user", "conversations.info": "channel", "conversations.members": "channel",
    "conversations.history": "channel", "conversations.replies": "channel",
}  # fmt: skip
"""The methods whose answers are kept, with the argument that says of what they are."""
HISTORIES: Final = ("conversations.history", "conversations.replies")
OF_CHANNEL: Final = tuple(method for method, subject in READS.items() if subject == "channel")
MAX_HEARD: Final = 5_000
"""Channels of which is known that their messages come."""
FAMILIES: Final = {
    family: tuple(method for method in READS if method.startswith(family + "."))
    for family in ("conversations", "emoji", "team", "usergroups", "users")
}
_OF_CONVERSATIONS: Final = frozenset({"channel", "group", "im", "mpim", "member"})
"""First words of the events after which a conversation is another."""
_TITLES: Final = ("_topic", "_purpose", "_name", "_archive", "_unarchive", "_join", "_leave")
"""Ends of the subtypes of messages after which the list of conversations is another."""
_HARMLESS: Final = frozenset(
    {"getPresence", "lookupByEmail", "identity", "conversations", "profile.get", "info", "list"}
    | {"members", "users.list"}
)
"""Methods of these families that change nothing."""


class _Head(msgspec.Struct, gc=False):
    """The members of an event that say what it changes."""

    type: str = ""
    subtype: str | None = None
    channel: Any = None
    channel_id: Any = None
    item: Any = None
    user: Any = None


_decode: Final = msgspec.json.Decoder(_Head).decode


class Key(NamedTuple):
    """A method, and of what its answer is."""

    method: str
    subject: str


@dataclass(slots=True)
class _Flight:
    """A call that is on its way."""

    answer: asyncio.Future[Any]
    is_stale: bool = False


@dataclass(slots=True)
class _Kept:
    """The answers for one key by their other arguments."""

    answers: dict[bytes, tuple[Reply, float, int]] = field(default_factory=dict)
    """Answer, until when it is kept, and bytes."""

    @property
    def size(self) -> int:
        return sum(size for _, _, size in self.answers.values())


class Cache:
    """Keeps answers.

    Args:
        is_on: without it every call is made.
        is_current: whether events come, so that a change would be seen.
    """

    def __init__(self, clock: Clock, *, is_on: bool, is_current: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_on = is_on
        self._is_current = is_current
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()  # the key that was used last at the end
        self._flights: dict[Key, dict[bytes, _Flight]] = {}
        self._heard: dict[str, None] = {}
        self.size = 0
        """Bytes that are kept."""
        self.hits = 0
        """Calls that were answered without one of the upstream."""

    async def get(
        self, method: str, arguments: Mapping[str, Any], fetch: Callable[[], Awaitable[Reply | Long]]
    ) -> Reply | Long:
        """Return the answer that is kept, or on its way, or else what ``fetch`` returns."""
        if method not in READS or not self._is_on:
            return await fetch()
        if not self._is_current():
            self.clear()
            return await fetch()
        key = Key(method, str(arguments.get(READS[method]) or ""))
        if method in HISTORIES and key.subject not in self._heard:
            return await fetch()
        rest = msgspec.json.encode(dict(arguments), order="deterministic")
        known = self._find(key, rest)
        if known is not None:
            return known
        flight = self._flights.get(key, {}).get(rest)
        if flight is not None:
            shared = await asyncio.shield(flight.answer)
            if shared is not None:
                self.hits += 1
                found: Reply = shared
                return found
            return await fetch()
        return await self._fly(key, rest, fetch)

    def follow(self, entries: Sequence[Entry]) -> None:
        """Drop what events change: a reader of the log."""
        if not self._is_on:
            return
        for entry in entries:
            if entry.kind != "event":
                continue
            try:
                self._see(_decode(entry.payload))
            except msgspec.MsgspecError:
                self.clear()  # what such an event changes is not known

    def wrote(self, method: str, arguments: Mapping[str, Any], reply: Reply) -> None:
        """Drop what a call of a bot may have changed."""
        family, _, verb = method.partition(".")
        if method in READS or verb in _HARMLESS:
            return
        channel = reply.text("channel") or str(arguments.get("channel") or arguments.get("channel_id") or "")
        self.said(channel)
        if family not in FAMILIES:
            return
        if verb == "mark":
            self._drop([Key("conversations.info", channel)])
        elif verb != "open" or reply.get("already_open") is not True:
            self._drop_all(FAMILIES[family])

    def said(self, channel: str) -> None:
        """Drop the histories of a channel: a bot has changed them."""
        self._drop([Key(method, channel) for method in HISTORIES])

    def clear(self) -> None:
        """Drop everything."""
        self._heard.clear()
        self._drop_all(READS)

    def _find(self, key: Key, rest: bytes) -> Reply | None:
        kept = self._kept.get(key)
        found = kept.answers.get(rest) if kept is not None else None
        if found is None:
            return None
        if self._clock.monotonic() >= found[1]:
            self._drop([key])
            return None
        self._kept.move_to_end(key)
        self.hits += 1
        return found[0]

    async def _fly(self, key: Key, rest: bytes, fetch: Callable[[], Awaitable[Reply | Long]]) -> Reply | Long:
        flight = _Flight(asyncio.get_running_loop().create_future())
        self._flights.setdefault(key, {})[rest] = flight
        shared = None  # what others get: they make the call themselves if this one failed, or its answer is long
        try:
            found = await fetch()
            if isinstance(found, Reply) and found.is_ok:
                shared = found
                if not flight.is_stale:
                    self._keep(key, rest, found)
            elif isinstance(found, Reply) and found.retry_after is not None:
                shared = found
            return found
        finally:
            flight.answer.set_result(shared)
            flights = self._flights.get(key, {})
            if flights.get(rest) is flight:
                del flights[rest]
                if not flights:
                    del self._flights[key]

    def _keep(self, key: Key, rest: bytes, reply: Reply) -> None:
        size = sum(map(len, reply.members.values())) + len(rest)
        if size > MAX_ENTRY:
            return
        self._kept.setdefault(key, _Kept()).answers[rest] = (reply, self._clock.monotonic() + LIFE, size)
        self._kept.move_to_end(key)
        self.size += size
        while self.size > MAX_SIZE:
            self._drop([next(iter(self._kept))])

    def _see(self, event: _Head) -> None:
        place = event.item.get("channel") if isinstance(event.item, dict) else event.channel
        channel = _id_of(place) or _id_of(event.channel_id)
        family = event.type.partition("_")[0]
        if event.type == "message":
            self._hear(channel)
            self._drop([Key("conversations.info", channel)])
            if event.subtype is not None and event.subtype.endswith(_TITLES):
                self._drop_all(["conversations.list"])
        elif family in _OF_CONVERSATIONS:
            self._drop([Key(method, channel) for method in OF_CHANNEL])
            self._drop_all(["conversations.list"])
        elif family == "user" or event.type == "team_join":
            self._drop([Key("users.info", _id_of(event.user))])
            self._drop_all(["users.list", "auth.test"])
        elif family == "team" or event.type == "email_domain_changed":
            self._drop_all(["team.info", "auth.test"])
        elif family == "subteam":
            self._drop_all(["usergroups.list"])
        elif family == "emoji":
            self._drop_all(["emoji.list"])
        elif family == "file":
            self._drop_all(HISTORIES)  # it does not say in which channels the file is
        self.said(channel)

    def _hear(self, channel: str) -> None:
        if channel not in self._heard:
            if len(self._heard) >= MAX_HEARD:
                self._heard.clear()
            self._heard[channel] = None

    def _drop_all(self, methods: Iterable[str]) -> None:
        wanted = frozenset(methods)
        self._drop([key for key in {*self._kept, *self._flights} if key.method in wanted])

    def _drop(self, keys: Iterable[Key]) -> None:
        for key in keys:
            kept = self._kept.pop(key, None)
            self.size -= kept.size if kept is not None else 0
            for flight in self._flights.pop(key, {}).values():
                flight.is_stale = True


def _id_of(thing: Any) -> str:
    found = thing.get("id") if isinstance(thing, dict) else thing
    return found if isinstance(found, str) else ""
