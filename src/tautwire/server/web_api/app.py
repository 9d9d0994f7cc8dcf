"""The ASGI application behind ``/api/``: from a request to a method and back. Source: wire/web-api.md.

Every outcome of a method is HTTP 200 with a JSON object, errors too: SDKs treat most other statuses as a failure of the
server and raise. Exceptions are rate limits (429), which SDKs wait for, and bodies over the limit (413).
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from tautwire.protocol.errors import TautwireError
from tautwire.server.services.errors import MethodError
from tautwire.server.services.identity import Identities, Identity, TokenKind
from tautwire.server.services.presence import Presence
from tautwire.server.services.tickets import Tickets
from tautwire.server.services.workspace import Workspace
from tautwire.server.web_api.answers import encode_answer
from tautwire.server.web_api.arguments import Given, convert, read_arguments
from tautwire.server.web_api.bodies import Bodies, TooBig, TooMany
from tautwire.server.web_api.limits import Limits, RateLimited
from tautwire.server.web_api.logins import FailedLogins
from tautwire.server.web_api.method import METHODS, Call, Tier
from tautwire.server.web_api.unserved import fault_of_unserved

log = logging.getLogger("tautwire.server.web_api")

PATH: Final = "/api/"
_UNKNOWN: Final = Identity("", "", None, None)  # type: ignore[arg-type]


class Request(NamedTuple):
    """A call over HTTP, without its body."""

    method: str
    query: bytes
    headers: Mapping[str, str]
    """By name in lower case."""
    base_url: str
    """Scheme and authority by which the caller reached the server."""
    address: str
    """The caller's address, or the one that a trusted proxy has forwarded."""


class ReadBody(Protocol):
    """Reads the body of a request; see ``Bodies.read``."""

    def __call__(self, *, is_known: bool) -> Awaitable[bytes]:
        """Return the body."""


class Reply(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: list[bytes]
    """In several pieces if it is long."""


@dataclass(slots=True)
class _Draft:
    """The parts of a reply that are known before its body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class WebApi:
    """Serves the Web API of one workspace."""

    def __init__(self, workspace: Workspace, *, identities: Identities, presence: Presence, tickets: Tickets) -> None:
        self._workspace = workspace
        self._identities = identities
        self._counts = workspace.counts
        self._presence = presence
        self._tickets = tickets
        limited = workspace.settings.rate_limits
        self._limits = Limits(workspace.clock) if limited else None
        self._posts = Limits(workspace.clock) if limited else None
        # One: there are two reader threads, and one of them stays free for short reads.
        self._long_reads = asyncio.Semaphore(1)
        self._failed_logins = FailedLogins(workspace.clock)
        self._bodies = Bodies(workspace.settings.body_limit)
        self._public_url = workspace.settings.public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as an ASGI application."""
        name = scope["path"].removeprefix(PATH).strip("/")
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope["client"] else ""
        request = Request(name, scope["query_string"], headers, _base_url(headers, scope), address)
        try:
            reply = await self.answer(request, partial(self._bodies.read, receive))
        except ClientDisconnect:
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        for piece in reply.body[:-1]:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0)  # a long answer must not be written in one turn of the loop
        await send({"type": "http.response.body", "body": reply.body[-1]})

    def base_url(self, headers: Headers, scope: Scope) -> str:
        """Return scheme and authority by which a caller reaches the server, without a slash at the end."""
        return self._public_url or _base_url(headers, scope)

    async def answer(self, request: Request, read_body: ReadBody) -> Reply:
        """Return the answer of a call; every failure becomes an error answer.

        Raises:
            ClientDisconnect: from ``read_body``.
        """
        name = request.method
        draft = _Draft()
        try:
            answer = {"ok": True, **await self._answer(request, read_body, draft)}
        except RateLimited as error:
            draft.status, draft.headers["Retry-After"] = 429, str(error.wait)
            answer = {"ok": False, "error": error.code}
        except MethodError as error:
            answer = {"ok": False, "error": error.code, **error.members}
        except TooBig:
            draft.status = 413
            answer = {"ok": False, "error": "request_too_large"}
        except TooMany:
            draft.status, draft.headers["Retry-After"] = 429, "1"
            answer = {"ok": False, "error": "ratelimited"}
        except ClientDisconnect:
            raise
        except TautwireError as error:
            log.debug(
                "%s could not be answered: %s", name, error
            )  # debug: the writer logs such a failure once a second
            answer = {"ok": False, "error": "service_unavailable"}
        except Exception:
            log.exception("%s failed", name)
            answer = {"ok": False, "error": "internal_error"}
        # An error that a caller of api.test asks for is not counted by name: callers could create counters without end.
        counted = "as_asked" if name == "api.test" and "error" in answer else str(answer.get("error", ""))
        self._counts.answers[draft.status, counted] += 1
        _warn(answer, draft.warnings)
        return _reply(draft, answer)

    async def _answer(self, request: Request, read_body: ReadBody, draft: "_Draft") -> Mapping[str, Any]:
        """Run a method. Refusals that need no body come before the body is read."""
        method = METHODS.get(request.method)
        if method is None:
            raise fault_of_unserved(request.method)
        token, who = _header_token(request.headers), _UNKNOWN
        if method.needs_token and token is not None:
            who = self._authenticate(request, token, draft)
        is_known = who is not _UNKNOWN
        given, draft.warnings = await read_arguments(
            request.query, request.headers, partial(read_body, is_known=is_known)
        )
        if method.needs_token:
            if not is_known:
                who = self._authenticate(request, _given_token(given), draft)
            draft.headers["X-OAuth-Scopes"] = who.scope_list
            if self._limits is not None and method.tier is not Tier.POST:
                self._limits.take(method.tier.value, who.user, method.name)
        # api.test returns its arguments, and a token must not appear in an answer.
        given.pop("token", None)
        base_url = self._public_url or request.base_url
        call = Call(self._workspace, self._presence, self._tickets, who, base_url, given, self._long_reads, self._posts)
        try:
            return await method.function(call, convert(given, method.arguments))
        except GeneratorExit:  # the front has closed this coroutine; uvicorn makes the call again
            if self._limits is not None:
                self._limits.give_back(who.user, method.name)
            raise

    def _authenticate(self, request: Request, token: str | None, draft: "_Draft") -> Identity:
        """Return the identity of the caller; a failure is counted by the caller's address."""
        try:
            who = self._identities.authenticate(token)
        except MethodError as error:
            if token:
                wait = self._failed_logins.count(request.address, request.method, error.code)
                if wait and self._limits is not None:
                    draft.status, draft.headers["Retry-After"] = 429, str(wait)
                    raise MethodError("ratelimited") from None
            raise
        if who.kind is TokenKind.APP:  # no method that it may call is served
            raise MethodError("not_allowed_token_type")
        return who


def _header_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of the header, which comes before the arguments. Source: wire/web-api.md#where-the-token-is."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _given_token(given: Given) -> str | None:
    """Return the token among the arguments."""
    argument = given.get("token")
    return argument if isinstance(argument, str) else None


def _base_url(headers: Headers, scope: Scope) -> str:
    """Return the base URL by which the caller reached the server, for the RTM URL."""
    host, port = scope["server"] or ("127.0.0.1", 80)
    return f"{scope['scheme']}://{headers.get('host') or f'{host}:{port}'}"


def _warn(answer: dict[str, Any], warnings: list[str]) -> None:
    if warnings:
        answer["warning"] = ",".join([*filter(None, [answer.get("warning")]), *warnings])
        metadata = dict(answer.get("response_metadata", {}))
        metadata["warnings"] = [*metadata.get("warnings", []), *warnings]
        answer["response_metadata"] = metadata


def _reply(draft: _Draft, answer: Mapping[str, Any]) -> Reply:
    body = encode_answer(answer)
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(sum(map(len, body))).encode()),
        (b"cache-control", b"private, no-cache, no-store, must-revalidate"),
        *((name.lower().encode(), value.encode()) for name, value in draft.headers.items()),
    ]
    return Reply(draft.status, headers, body)
