"""One call of the upstream for a bot: its answer whole if it is short, else as it comes.

Nearly all answers are short, and are read before the bot gets a byte: so a refusal, a limit and a missing scope are
known. What is longer than ``HEAD`` is passed on while it comes, or read to its end when the gateway has to change it;
``upstream.pace`` bounds how long that takes.
In memory are at most ``MAX_CALLS`` times ``HEAD`` and ``MAX_LONG`` times ``upstream.api.MAX_ANSWER``.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple, NoReturn

import aiohttp

from tautwire.gateway.proxy.cache import Cache
from tautwire.gateway.upstream.api import MAX_ANSWER, TIMEOUT, Api, UpstreamError, form, members_of
from tautwire.gateway.upstream.api import Answer as Reply
from tautwire.gateway.upstream.pace import PIECE, Body
from tautwire.server.services.access.limits import RateLimited
from tautwire.server.services.errors import MethodError
from tautwire.server.web_api.fallback import BrokenStreamError

log = logging.getLogger("tautwire.gateway.proxy")

MAX_CALLS: Final = 32
"""Calls in progress: bounds the memory of answers, and leaves connections for the messages of bots."""
HEAD: Final = 1_048_576
"""Bytes of an answer that is read before the bot gets it; a longer one is passed on as it comes."""
MAX_LONG: Final = 2
"""Longer answers that are read to their end at a time, since they have to be changed."""


class Long(NamedTuple):
    """An answer of which the beginning has come."""

    status: int
    headers: Mapping[str, str]
    head: bytes
    body: Body
    stack: AsyncExitStack
    """What is to be closed."""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the whole answer.

        Raises:
            BrokenStreamError: the rest does not come.
        """
        for start in range(0, len(self.head), PIECE):
            yield self.head[start : start + PIECE]
        try:
            while piece := await self.body.read():
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise BrokenStreamError(f"the upstream sends no more: {type(error).__name__}") from None


class Calls:
    """Makes calls for bots.

    Args:
        cache: has answers of reading methods.
    """

    def __init__(self, api: Api, cache: Cache) -> None:
        self.api = api
        self._cache = cache
        self._places = asyncio.Semaphore(MAX_CALLS)
        self._long = asyncio.Semaphore(MAX_LONG)
        self.outcomes: Counter[str] = Counter()
        """Calls by outcome: ``ok``, ``refused``, ``limited``, ``unreachable``."""

    async def whole(self, method: str, arguments: Mapping[str, Any]) -> Reply:
        """Return the answer of a call that is ``ok``, read to its end.

        Raises:
            MethodError: it is not, or there is none.
        """
        found = await self.begin(method, arguments)
        return found if isinstance(found, Reply) else await self._finish(method, found)

    async def begin(
        self, method: str, arguments: Mapping[str, Any], data: Any = None, size: int | None = None
    ) -> Reply | Long:
        """Return the answer of a call that is ``ok``, or its beginning; a ``Long`` is to be closed.

        Args:
            data: the body in place of the arguments.
            size: bytes of the file in it.

        Raises:
            MethodError: it is not, or there is none.
        """
        try:
            if data is None:
                found = await self._cache.get(method, arguments, lambda: self._open(method, form(arguments)))
            else:
                found = await self._open(method, data, size)
        except UpstreamError as error:
            self._fail(method, error)
        if isinstance(found, Reply):
            self._check(method, found)
            self._cache.wrote(method, arguments, found)
        self.outcomes["ok"] += 1
        return found

    async def gather(self, method: str, arguments: Mapping[str, Any], member: str) -> list[Any]:
        """Return a whole list, page by page, as retired methods gave it."""
        found: list[Any] = []
        size, cursor = 0, ""
        while True:
            reply = await self.whole(method, {**arguments, **({"cursor": cursor} if cursor else {})})
            size += len(reply.members.get(member, b""))
            if size > MAX_ANSWER:
                log.warning("%s is cut off: it has more than %d bytes", method, MAX_ANSWER)
                return found
            page, metadata = reply.get(member), reply.get("response_metadata")
            found += page if isinstance(page, list) else []
            cursor = str(metadata.get("next_cursor") or "") if isinstance(metadata, dict) else ""
            if not cursor:
                return found

    async def _open(self, method: str, data: Any, size: int | None = None) -> Reply | Long:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._places)
            token = self.api.token
            response = await stack.enter_async_context(
                self.api.open("POST", self.api.base_url + method, data=data, is_long=True, size=size, token=token)
            )
            head, body = bytearray(), Body(response)
            async with asyncio.timeout(TIMEOUT if isinstance(data, dict) else None):
                while len(head) < HEAD and (piece := await body.read(HEAD - len(head))):
                    head += piece
            if response.content.at_eof():
                members = members_of(method, response.status, head)
                return self.api.noted(method, Reply(response.status, response.headers, members), token)
            if response.status != 200:
                raise UpstreamError(f"{method} has a long answer of HTTP status {response.status}", was_sent=True)
            self.api.scopes.read(response.headers)
            return Long(response.status, response.headers, bytes(head), body, stack.pop_all())

    async def _finish(self, method: str, found: Long) -> Reply:
        async with found.stack, self._long:
            body = bytearray()
            try:
                async for piece in found.pieces():
                    body += piece
                    if len(body) > MAX_ANSWER:
                        text = f"the answer of {method} has more than {MAX_ANSWER} bytes"
                        self._fail(method, UpstreamError(text, was_sent=True))
                reply = Reply(found.status, found.headers, members_of(method, found.status, body))
            except BrokenStreamError as error:
                self._fail(method, UpstreamError(str(error), was_sent=True))
            except UpstreamError as error:
                self._fail(method, error)
        self._check(method, reply)
        return reply

    def _fail(self, method: str, error: UpstreamError) -> NoReturn:
        self.outcomes["unreachable"] += 1
        log.warning("%s was not answered: %s", method, error)
        raise MethodError("service_unavailable") from None

    def _check(self, method: str, reply: Reply) -> None:
        """Raise the refusal of an answer that is not ``ok``."""
        wait = reply.retry_after
        if wait is not None:
            self.outcomes["limited"] += 1
            raise RateLimited(max(1, round(wait)))
        if reply.is_ok:
            return
        self.outcomes["refused"] += 1
        refusal = MethodError(reply.text("error") or "internal_error")
        refusal.members = {name: reply.get(name) for name in reply.members if name not in ("ok", "error")}
        raise refusal


def members_for(reply: Reply) -> dict[str, Any]:
    """Return the members without ``ok``; those that the Web API adds to are decoded, the others stay as they are."""
    members: dict[str, Any] = {name: raw for name, raw in reply.members.items() if name != "ok"}
    for name in ("warning", "response_metadata"):
        if name in members:
            members[name] = reply.get(name)
    return members
