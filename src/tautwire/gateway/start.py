"""The answer of ``rtm.start``: the whole workspace, put together from the lists of today's methods.

Old programs build their world from it and end without it; Slack has sent no more than ``rtm.connect`` since 2022. The
state is kept for a while, so bots that restart in circles do not use up the upstream's limits.
Source: wire/connecting.md#rtmstart.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.protocol.ids import LAST_MICROS, ts_from_micros
from tautwire.server.clock import Clock
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


class Start:
    """Answers ``rtm.start``."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._lock = asyncio.Lock()
        self._state: dict[str, Any] = {}
        self._until = 0.0

    def methods(self) -> Mapping[str, Method]:
        """Return the methods that the gateway answers itself."""
        connect = METHODS["rtm.connect"]
        start = Method("rtm.start", rtm.RtmStart, Tier.ONE, users_and_bots(), self.start, successor="rtm.connect")
        return {connect.name: connect, start.name: start}

    async def start(self, call: Call, args: rtm.RtmStart) -> Answer:
        """Reserve a connection and describe the whole workspace."""
        answer = await rtm.connect(call, args)  # first: events during the reads below come on the connection
        async with self._lock:
            if self._clock.monotonic() >= self._until:
                try:
                    self._state = await self._read()
                except RefusedError as error:
                    raise MethodError(error.code, needed=error.needed) from None
                except UpstreamError as error:
                    log.warning("rtm.start cannot be answered: %s", error)
                    raise MethodError("service_unavailable") from None
                self._until = self._clock.monotonic() + LIFE
        state = dict(self._state)
        mpims = state.pop("mpims")
        state |= {"mpims": mpims} if args.mpim_aware else {"groups": [*state["groups"], *mpims]}
        who = {**answer["self"], "prefs": {}, "created": 0, "manual_presence": "active"}
        return {**answer, **state, "self": who, "team": {**answer["team"], "prefs": {}}}

    async def _read(self) -> dict[str, Any]:
        users = [user async for page in self._api.pages("users.list", "members", PAGE) for user in _objects(page)]
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
            "users": users,
            "bots": [_bot(user) for user in users if user.get("is_bot")],
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
        try:
            found = (await self._api.read("usergroups.list")).get("usergroups")
        except RefusedError:  # without the scope usergroups:read there are none
            return []
        return found if isinstance(found, list) else []


def _objects(page: list[Any]) -> list[dict[str, Any]]:
    """Return the members of a page that have an id."""
    return [each for each in page if isinstance(each, dict) and isinstance(each.get("id"), str)]


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
