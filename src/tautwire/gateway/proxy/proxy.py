"""The Web API of the upstream for bots: each call with the token of the app in place of the bot's.

It is the fallback of the gateway's Web API (``server.web_api.fallback``), which has checked the local token and read
the arguments. What old bots send and Slack refuses by now is changed on the way: refused arguments are left out,
retired methods become their successors, files take the way of today, and URLs of files are the gateway's.
Source: wire/retired-methods.md, wire/web-api.md, wire/files.md.
"""

from collections.abc import Mapping
from typing import Any, Final

from tautwire.gateway.presence import Presence
from tautwire.gateway.proxy.calls import Calls, Long, members_for
from tautwire.gateway.proxy.names import Names
from tautwire.gateway.proxy.spool import Spool
from tautwire.gateway.proxy.uploads import Uploads
from tautwire.gateway.translate import retired
from tautwire.gateway.translate.arguments import CUSTOM, CUSTOMIZE, is_custom, of_today
from tautwire.gateway.translate.links import Links
from tautwire.gateway.unmapped import REFUSALS, Unmapped
from tautwire.gateway.upstream.api import Answer as Reply
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.fallback import Passed, Stream
from tautwire.server.web_api.file_bodies import OpenSink
from tautwire.server.web_api.method import Answer

REFUSED: Final = frozenset({"apps.uninstall", "auth.revoke"})
"""Methods that would end the app for all its bots."""
WITHOUT_EFFECT: Final = frozenset({"users.setActive"})
"""Methods that have no successor and did nothing that is missed. Source: wire/web-api-methods.md."""


class Proxy:
    """Passes calls on.

    Args:
        links: changes the URLs of files; None leaves them as they are.
        presence: has what is known of users.
        unmapped: counts the calls that the upstream has nothing for.
    """

    def __init__(
        self, calls: Calls, spool: Spool, presence: Presence, links: Links | None, unmapped: Unmapped
    ) -> None:  # fmt: skip
        self.calls = calls
        self.open_sink: OpenSink | None = spool.open
        self._names = Names(calls)
        self._uploads = Uploads(calls, self._names)
        self._presence = presence
        self._links = links
        self._unmapped = unmapped

    async def __call__(self, passed: Passed) -> Answer | Stream | None:
        """Return the answer of the upstream; see ``server.web_api.fallback.Fallback``."""
        try:
            return await self._answer(passed)
        except MethodError as error:
            if error.code in REFUSALS and passed.who is not None:
                self._unmapped.note("call", passed.name, error.code)
            raise

    async def _answer(self, passed: Passed) -> Answer | Stream | None:
        name, given = passed.name, passed.given
        if passed.who is None:
            if name == "api.test" and "error" not in given:
                return {"args": dict(given)} if given else {}
            raise MethodError("not_authed")
        if name in REFUSED:
            raise MethodError("not_allowed_token_type")
        if name in WITHOUT_EFFECT:
            self._unmapped.note("call", name, "without_effect")
            return {}
        arguments = of_today(name, given)
        if self._links is not None:
            arguments = self._links.restore(arguments, passed.base_url)
        if name == "files.upload":
            return self._localized(await self._uploads.upload(arguments, passed.file), passed.base_url)
        if passed.file is not None:
            return self._passed(await self._uploads.forward(name, arguments, passed.file), passed.base_url)
        if name == retired.BY_NAME:
            return await self._join(str(arguments.get("name", "")))
        if name == "users.list" and given.get("presence") not in (None, "", "0", "false", 0, False):
            return await self._list_with_presence(arguments)
        plan = retired.plan(name, arguments)
        if plan is not None:
            return self._localized(await self._retired(plan), passed.base_url)
        return self._passed(await self._call(name, arguments), passed.base_url)

    async def _call(self, name: str, arguments: dict[str, Any]) -> Reply | Long:
        """Make a call; without the scope for it a message has the name and the picture of the app."""
        if not is_custom(name, arguments):
            return await self.calls.begin(name, arguments)
        scopes = self.calls.api.scopes
        plain = {each: value for each, value in arguments.items() if each not in CUSTOM}
        if scopes.lacks(CUSTOMIZE):
            scopes.missing(f"{name} with a name or a picture of its own", CUSTOMIZE)
            return await self.calls.begin(name, plain)
        try:
            return await self.calls.begin(name, arguments)
        except MethodError as error:
            if error.code != "missing_scope" or CUSTOMIZE not in str(error.members.get("needed", "")):
                raise
        return await self.calls.begin(name, plain)

    def _passed(self, found: Reply | Long, base_url: str) -> Answer | Stream:
        if isinstance(found, Reply):
            return self._localized(members_for(found), base_url)
        pieces = found.pieces()
        if self._links is not None:
            pieces = self._links.localize_stream(pieces, base_url)
        return Stream(pieces, found.stack.aclose)

    def _localized(self, members: dict[str, Any], base_url: str) -> dict[str, Any]:
        links = self._links
        if links is None:
            return members
        return {name: links.localize_member(value, base_url) for name, value in members.items()}

    async def _retired(self, plan: retired.Plan) -> dict[str, Any]:
        """Return the old answer of a retired method."""
        if plan.whole and not plan.arguments.get("limit") and not plan.arguments.get("cursor"):
            arguments = {**plan.arguments, "limit": retired.PAGE}
            found = await self.calls.gather(plan.method, arguments, plan.whole)
            return {plan.gives[plan.whole]: found, "response_metadata": {"next_cursor": ""}}
        try:
            reply = await self.calls.whole(plan.method, plan.arguments)
        except MethodError as error:
            mended = retired.MENDED.get((plan.name, error.code))
            if mended is None:
                raise
            if not mended.describes:
                return dict(mended.members)
            info = await self.calls.whole("conversations.info", {"channel": plan.arguments.get("channel", "")})
            return {**retired.answer(plan, members_for(info)), **mended.members}
        if not retired.is_of_family(plan, reply.get("channel") if plan.checks else None):
            raise MethodError("channel_not_found")
        return retired.answer(plan, members_for(reply))

    async def _join(self, name: str) -> dict[str, Any]:
        """Join a channel by name; a name that no channel has makes one."""
        wanted = name.strip().removeprefix("#")
        if not wanted:
            raise MethodError("channel_not_found")
        channel = await self._names.find(wanted)
        if channel is None:
            made = await self.calls.whole("conversations.create", {"name": wanted})
            return retired.answer(retired.JOINED, members_for(made))
        if channel.get("is_private"):
            raise MethodError("name_taken")
        reply = await self.calls.whole("conversations.join", {"channel": channel["id"]})
        was_in = {"already_in_channel": True} if reply.text("warning") == "already_in_channel" else {}
        return {**retired.answer(retired.JOINED, members_for(reply)), **was_in}

    async def _list_with_presence(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return users with what is known of their presence; the others are asked for, within the budget."""
        reply = await self.calls.whole(
            "users.list", {name: value for name, value in arguments.items() if name != "presence"}
        )
        members = members_for(reply)
        users = reply.get("members")
        if isinstance(users, list):
            people = [each for each in users if isinstance(each, dict)]
            known = self._presence.recall([str(each.get("id", "")) for each in people if not each.get("deleted")])
            members["members"] = [
                {**each, "presence": known.get(str(each.get("id", "")), "away")} for each in people
            ]  # fmt: skip
        return members
