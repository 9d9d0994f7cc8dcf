"""The answer of ``rtm.start``: the whole workspace, put together from the lists of today's methods.

Old programs build their world from it and end without it; Slack has sent no more than ``rtm.connect`` since 2022. The
state is kept for a while, so bots that restart in circles do not use up the upstream's limits. Events keep it current:
those of users, which are many, change it, those of conversations drop it. A bot gets no event again that came before it
connected, so a state from before that event would be wrong for good.
Source: wire/connecting.md#rtmstart.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.protocol.ids import LAST_MICROS, ts_from_micros
from tautwire.server.clock import Clock
from tautwire.server.log.entry import Entry
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.access import users_and_bots
from tautwire.server.web_api.method import METHODS, Answer, Call, Method, Tier
from tautwire.server.web_api.methods import rtm

log = logging.getLogger("tautwire.gateway")

PAGE: Final = 999
"""Items of a page, as many as are allowed: a large workspace has fewer calls than the upstream allows in a minute.
Source: wire/web-api.md#pages (documented)."""
LIFE: Final = 60.0
"""Seconds that the lists are kept."""
MAX_DESCRIBED: Final = 50
"""Channels of the bot of which the members are read: a call each."""

_GROUPS_SCOPE: Final = "usergroups:read"

_OF_USERS: Final = frozenset({"team_join", "user_change"})
_OF_CONVERSATIONS: Final = frozenset({"channel", "group", "im", "mpim", "member", "subteam"})
"""First words of the events after which the lists are others."""
_TITLES: Final = frozenset(
    f"{kind}_{what}" for kind in ("channel", "group") for what in ("topic", "purpose", "name", "archive", "unarchive")
)
"""Subtypes of messages after which they are."""


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    subtype: str | None = None
    user: Any = None


_decode: Final = msgspec.json.Decoder(_Event).decode


class Start:
    """Answers ``rtm.start``."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._lock = asyncio.Lock()
        self._state: dict[str, Any] = {}
        self._users: dict[str, Any] = {}
        self._until = 0.0
        self._events = 0  # those that have changed or dropped the state

    def methods(self) -> Mapping[str, Method]:
        """Return the methods that the gateway answers itself."""
        connect = METHODS["rtm.connect"]
        start = Method("rtm.start", rtm.RtmStart, Tier.ONE, users_and_bots(), self.start, successor="rtm.connect")
        return {connect.name: connect, start.name: start}

    def follow(self, entries: Sequence[Entry]) -> None:
        """Keep the state current: a reader of the log."""
        for entry in entries:
            event = _event_of(entry)
            if event is None:
                continue
            self._events += 1
            if event.type in _OF_USERS and isinstance(event.user, dict):
                self._users[str(event.user.get("id"))] = event.user
            else:
                self._until = 0.0

    async def start(self, call: Call, args: rtm.RtmStart) -> Answer:
        """Reserve a connection and describe the whole workspace."""
        answer = await rtm.connect(call, args)  # first: events during the reads below come on the connection
        async with self._lock:
            if self._clock.monotonic() >= self._until:
                events = self._events
                try:
                    self._state = await self._read()
                except RefusedError as error:
                    raise MethodError(error.code, needed=error.needed) from None
                except UpstreamError as error:
                    log.warning("rtm.start cannot be answered: %s", error)
                    raise MethodError("service_unavailable") from None
                if events == self._events:  # else it may be older than an event, for those who connect later
                    self._until = self._clock.monotonic() + LIFE
        users = list(self._users.values())
        state = {**self._state, "users": users, "bots": [_bot(user) for user in users if user.get("is_bot")]}
        mpims = state.pop("mpims")
        state |= {"mpims": mpims} if args.mpim_aware else {"groups": [*state["groups"], *mpims]}
        who = {**answer["self"], "prefs": {}, "created": 0, "manual_presence": "active"}
        return {**answer, **state, "self": who, "team": {**answer["team"], "prefs": {}}}

    async def _read(self) -> dict[str, Any]:
        self._users = {
            user["id"]: user async for page in self._api.pages("users.list", "members", PAGE) for user in _objects(page)
        }
        conversations = [
            channel
            async for page in self._api.pages(
                "conversations.list", "channels", PAGE, types="public_channel,private_channel,mpim,im"
            )
            for channel in _objects(page)
        ]
        await self._add_members(conversations)
        lists: dict[str, list[Any]] = {"channels": [], "groups": [], "ims": [], "mpims": []}
        for each in conversations:
            lists[_list_of(each)].append(each)
        return {
            **lists,
            "subteams": {"all": await self._usergroups(), "self": []},
            "dnd": {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1, "snooze_enabled": False},
            "latest_event_ts": ts_from_micros(min(self._clock.micros(), LAST_MICROS)),
            "can_manage_shared_channels": False,
            "cache_ts": self._clock.seconds(),
            "cache_version": "v1",
            "cache_ts_version": "v1",
            "read_only_channels": [],
        }

    async def _add_members(self, conversations: list[Any]) -> None:
        """Give the bot's channels their ``members``, which lists have no longer."""
        mine = [each for each in conversations if each.get("is_member") and not each.get("is_im")]
        for each in mine[:MAX_DESCRIBED]:
            found: list[Any] = []
            async for page in self._api.pages("conversations.members", "members", PAGE, channel=each["id"]):
                found += page
            each["members"] = found

    async def _usergroups(self) -> list[Any]:
        if self._api.scopes.lacks(_GROUPS_SCOPE):  # most apps: a refusal would be logged as something to mend
            return []
        try:
            found = (await self._api.read("usergroups.list")).get("usergroups")
        except RefusedError:
            return []
        return found if isinstance(found, list) else []


def _objects(page: list[Any]) -> list[dict[str, Any]]:
    """Return the members of a page that have an id."""
    return [each for each in page if isinstance(each, dict) and isinstance(each.get("id"), str)]


def _event_of(entry: Entry) -> _Event | None:
    """Return an event that changes the state, None for others."""
    if entry.kind != "event":
        return None
    try:
        event = _decode(entry.payload)
    except msgspec.MsgspecError:
        return None
    is_one = event.type in _OF_USERS or event.type.partition("_")[0] in _OF_CONVERSATIONS or event.subtype in _TITLES
    return event if is_one else None


def _list_of(conversation: Mapping[str, Any]) -> str:
    if conversation.get("is_im"):
        return "ims"
    if conversation.get("is_mpim"):
        return "mpims"
    return "groups" if conversation.get("is_private") else "channels"


def _bot(user: Mapping[str, Any]) -> dict[str, Any]:
    profile = user.get("profile")
    known = profile if isinstance(profile, dict) else {}
    return {
        "id": known.get("bot_id", ""),
        "name": user.get("name", ""),
        "deleted": bool(user.get("deleted")),
        "app_id": known.get("api_app_id", ""),
        "user_id": user.get("id", ""),
    }
