"""The Web API of the upstream for bots: each call with the token of the app in place of the bot's.

It is the fallback of the gateway's Web API (``server.web_api.app.Fallback``), which has checked the local token and
read the arguments. What old bots send and Slack refuses by now is changed on the way: ``as_user`` is left out, retired
methods become their successors. Source: wire/retired-methods.md, wire/web-api.md.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from tautwire.gateway.translate import retired
from tautwire.gateway.upstream.api import Answer as Reply
from tautwire.gateway.upstream.api import Api, RefusedError, UpstreamError
from tautwire.server.services.access.identity import Identity
from tautwire.server.services.access.limits import RateLimited
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.method import Answer

log = logging.getLogger("tautwire.gateway.proxy")

LEFT_OUT: Final = frozenset({"as_user"})
"""Arguments that apps of today may not send (``deprecated_argument``, reported with granular bot tokens)."""
MAX_CALLS: Final = 32
"""Calls in progress: bounds the memory of answers, and leaves connections for the messages of bots."""
REFUSED: Final = frozenset({"apps.uninstall", "auth.revoke"})
"""Methods that would end the app for all its bots."""


class Proxy:
    """Passes calls on."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._places = asyncio.Semaphore(MAX_CALLS)
        self.calls: Counter[str] = Counter()
        """Calls by outcome: ``ok``, ``refused``, ``limited``, ``unreachable``."""

    async def __call__(self, name: str, who: Identity | None, given: Mapping[str, Any]) -> Answer | None:
        """Return the members of the upstream's answer; see ``server.web_api.app.Fallback``."""
        if who is None:
            if name == "api.test" and "error" not in given:
                return {"args": dict(given)} if given else {}
            raise MethodError("not_authed")
        if name in REFUSED:
            raise MethodError("not_allowed_token_type")
        arguments = {each: value for each, value in given.items() if each not in LEFT_OUT}
        if name == retired.BY_NAME:
            return await self._join(str(arguments.get("name", "")))
        plan = retired.plan(name, arguments)
        if plan is None:
            return await self._call(name, arguments)
        return retired.answer(plan, await self._call(plan.method, plan.arguments))

    async def _call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the members of an answer that is ``ok``.

        Raises:
            MethodError: it is not, or there is none.
        """
        try:
            async with self._places:
                reply = await self._api.call(method, arguments)
        except UpstreamError as error:
            self.calls["unreachable"] += 1
            log.warning("%s was not answered: %s", method, error)
            raise MethodError("service_unavailable") from None
        wait = reply.retry_after
        if wait is not None:
            self.calls["limited"] += 1
            raise RateLimited(max(1, round(wait)))
        members = _members(reply)
        if reply.is_ok:
            self.calls["ok"] += 1
            return members
        self.calls["refused"] += 1
        code = reply.text("error") or "internal_error"
        if code == "missing_scope":
            log.warning(
                "%s needs the scope %s: add it to the app's manifest and install the app again",
                method, reply.text("needed") or "of the method",
            )  # fmt: skip
        members.pop("error", None)
        refusal = MethodError(code)
        refusal.members = members
        raise refusal

    async def _join(self, name: str) -> dict[str, Any]:
        """Join a channel by name; a name that no channel has makes one."""
        wanted = name.strip().removeprefix("#")
        if not wanted:
            raise MethodError("channel_not_found")
        try:
            async for page in self._api.pages("conversations.list", "channels", types="public_channel"):
                for channel in page:
                    if isinstance(channel, dict) and channel.get("name") == wanted:
                        joined = await self._call("conversations.join", {"channel": channel["id"]})
                        return {"channel": joined["channel"]} if "channel" in joined else {}
        except RefusedError as error:
            raise MethodError(error.code) from None
        except UpstreamError:
            raise MethodError("service_unavailable") from None
        made = await self._call("conversations.create", {"name": wanted})
        return {"channel": made["channel"]} if "channel" in made else {}


def _members(reply: Reply) -> dict[str, Any]:
    """Return the members without ``ok``; those that the Web API adds to are decoded, the others stay as they are."""
    members: dict[str, Any] = {name: raw for name, raw in reply.members.items() if name != "ok"}
    for name in ("warning", "response_metadata"):
        if name in members:
            members[name] = reply.get(name)
    return members
